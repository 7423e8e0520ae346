"use strict";

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#documentation",
  deepLinking: true,
  persistAuthorization: false, // a token is never stored
  validatorUrl: null, // no badge from swagger.io
});
