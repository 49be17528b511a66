# The workload of the tests, without load.

variable "binary" {
  type        = string
  description = "Path of the program."
}

variable "release" {
  type        = string
  description = "What it says its version is."
}

variable "sick_from" {
  type        = number
  default     = 1000
  description = "Nodes with this ordinal and above get a program that is not well."
}

variable "odd_from" {
  type        = number
  default     = 1000
  description = "Nodes with this ordinal and above say that they are of version `odd`."
}

service "workload" {
  version = var.release

  artifact {
    file   = var.binary
    sha256 = filesha256(var.binary)
    paths  = { "workload" = "bin/workload" }
  }

  command = ["@artifact@/bin/workload", "serve", "--listen=0.0.0.0:8080", "--version=${node.ordinal >= var.odd_from ? "odd" : var.release}"]
  environment = {
    WORKLOAD_UNHEALTHY = tostring(node.ordinal >= var.sick_from)
  }

  probe "healthz" {
    http {
      port = 8080
      path = "/healthz"
    }
    from        = "node"
    deadline_ms = 5000
  }

  probe "reached" {
    http {
      port = 8080
      path = "/version"
    }
    from        = "peer"
    deadline_ms = 5000
  }

  dead_man_s = 30
}

output "service" {
  value       = service.workload
  description = "List it in a node set."
}
