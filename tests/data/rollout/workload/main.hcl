# The workload of the tests as a service.

variable "binary" {
  type        = string
  description = "Path of the program."
}

variable "release" {
  type        = string
  description = "What it says its version is."
}

variable "error_rate" {
  type        = number
  default     = 0
  description = "Share of requests that fail, from 0 to 1."
}

variable "latency_ms" {
  type        = number
  default     = 20
  description = "How long a request takes, milliseconds."
}

variable "load" {
  type        = number
  default     = 0
  description = "Requests a second that it sends to itself."
}

variable "unhealthy" {
  type        = bool
  default     = false
  description = "Whether it says that it is not well."
}

variable "port" {
  type        = number
  default     = 8080
  description = "Where it listens."
}

service "workload" {
  version = var.release

  artifact {
    file   = var.binary
    sha256 = filesha256(var.binary)
    paths  = { "workload" = "bin/workload" }
  }

  command = ["@artifact@/bin/workload", "serve", "--listen=0.0.0.0:${var.port}", "--version=${var.release}"]
  environment = {
    WORKLOAD_ERROR_RATE = tostring(var.error_rate)
    WORKLOAD_LATENCY_MS = tostring(var.latency_ms)
    WORKLOAD_LOAD       = tostring(var.load)
    WORKLOAD_SEED       = tostring(node.ordinal + 1)
    WORKLOAD_UNHEALTHY  = tostring(var.unhealthy)
  }

  probe "healthz" {
    http {
      port = var.port
      path = "/healthz"
    }
    from        = "node"
    deadline_ms = 10000
  }

  probe "reached" {
    http {
      port = var.port
      path = "/version"
    }
    from        = "peer"
    deadline_ms = 10000
  }

  dead_man_s = 60
}

output "service" {
  value       = service.workload
  description = "List it in a node set."
}
