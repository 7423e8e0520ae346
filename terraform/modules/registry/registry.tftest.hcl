mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
}

variables {
  name = "headgate-dev"
}

run "a_tag_names_one_image_for_ever_and_every_image_is_scanned" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "A tag that moves makes a digest untraceable."
  }
  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "Images must be scanned when they are pushed."
  }
}

run "untagged_images_go_after_a_day_and_the_newest_thirty_stay" {
  command = plan

  assert {
    condition = [
      for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules :
      [rule.selection.tagStatus, rule.selection.countType, tostring(rule.selection.countNumber)]
      ] == [
      ["untagged", "sinceImagePushed", "1"],
      ["tagged", "imageCountMoreThan", "30"],
    ]
    error_message = "The lifecycle policy must keep the newest 30 tagged images and no untagged ones."
  }
}

run "images_survive_a_destroy_by_default" {
  command = plan

  assert {
    condition     = !aws_ecr_repository.this.force_delete
    error_message = "A repository with images must not be destroyed by accident."
  }
}

run "only_functions_of_this_environment_pull" {
  command = plan

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.repository.statement :
      one(statement.principals).identifiers == toset(["lambda.amazonaws.com"])
      && one(one(statement.condition).values) == "arn:aws:lambda:eu-west-1:123456789012:function:headgate-dev*"
    ])
    error_message = "Lambda may pull for the functions of this environment only."
  }
  assert {
    condition     = aws_ecr_repository_policy.this.policy == data.aws_iam_policy_document.repository.json
    error_message = "The repository must have that policy."
  }
}

run "too_few_images_are_refused" {
  command = plan

  variables {
    images_kept = 3
  }

  expect_failures = [var.images_kept]
}

run "a_name_that_is_none_is_refused" {
  command = plan

  variables {
    name = "Headgate_dev"
  }

  expect_failures = [var.name]
}
