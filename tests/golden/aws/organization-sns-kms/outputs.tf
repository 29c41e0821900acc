output "bucket" {
  description = "spec.bucket"
  value       = var.bucket
}

output "queue_arn" {
  description = "spec.queueArn"
  value       = aws_sqs_queue.notifications.arn
}

output "region" {
  description = "spec.region"
  value       = data.aws_region.current.region
}

output "dead_letter_queue_arn" {
  description = "Queue of the messages that nobody could deal with"
  value       = aws_sqs_queue.dead_letter.arn
}

output "role_arn" {
  description = "spec.roleArn"
  value       = aws_iam_role.collector.arn
}

output "key_arn" {
  description = "Key of log files and messages"
  value       = aws_kms_key.trail.arn
}
