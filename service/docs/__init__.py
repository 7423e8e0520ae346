"""The API's documentation in a browser: Swagger UI, ReDoc, and the OpenAPI document that both show."""
