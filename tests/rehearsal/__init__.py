"""The whole deployment on one machine: `make rehearse`, or `python -m tests.rehearsal --help`.

Terraform, the scripts, the image, the registry, PostgreSQL and the Lambda runtime are the real ones. AWS is moto behind
`front`, which does what moto cannot: it runs functions, and SQL. `gateway` stands where API Gateway and Cognito's token
endpoint are.
"""
