variable "bucket" {
  description = "Bucket that trails deliver to. spec.bucket of the source."
  type        = string
  default     = "acme-org-cloudtrail"
}

variable "queue_name" {
  description = "Queue that announces log files, and what else is named after it."
  type        = string
  default     = "cloudtrail-notifications"
}

variable "visibility_timeout_seconds" {
  description = "How long the message of a collector that was lost waits, in seconds."
  type        = number
  default     = 120
}

variable "max_receive_count" {
  description = "Receives after which a message goes to the dead-letter queue. Giving back, as rollouts do, counts too."
  type        = number
  default     = 10
}

variable "trail_name" {
  description = "Trail of all regions."
  type        = string
  default     = "org-trail"
}

variable "role_name" {
  description = "Role of the collectors."
  type        = string
  default     = "cloudtrail-collector"
}
