# Laid over terraform/foundation in the rehearsal's clone. Endpoints come from AWS_ENDPOINT_URL.

provider "aws" {
  # Names of buckets are no names of hosts on this machine.
  s3_use_path_style = true

  # There is no account to ask for, and no machine's role.
  access_key                  = "rehearsal"
  secret_key                  = "rehearsal"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
