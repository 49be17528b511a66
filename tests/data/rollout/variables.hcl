variable "workload_binary" {
  type        = string
  description = "Path of the program `workload`, as `cargo build -p workload` makes it."
}

variable "workload_version" {
  type        = string
  default     = "1"
  description = "What the workload says its version is."
}

variable "error_rate" {
  type        = number
  default     = 0
  description = "Share of requests that fail, from 0 to 1."
}

variable "latency_ms" {
  type        = number
  default     = 20
  description = "How long a request takes, a fifth more or less."
}

variable "load" {
  type        = number
  default     = 50
  description = "Requests a second that each node sends to itself."
}

variable "size" {
  type        = number
  default     = 24
  description = "How many nodes work."
}

variable "prometheus_port" {
  type        = number
  default     = 19090
  description = "Port on 127.0.0.1 of this machine where Prometheus is offered."
}

variable "alertmanager_port" {
  type        = number
  default     = 19093
  description = "Port on 127.0.0.1 of this machine where Alertmanager is offered."
}

variable "unhealthy" {
  type        = bool
  default     = false
  description = "Whether the workload says that it is not well."
}
