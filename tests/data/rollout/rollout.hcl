# The rollout of the workload: 5, 25, 50, 75 and 100 per cent of its nodes, with bakes short enough for tests.

variable "bake" {
  type        = string
  default     = "15s"
  description = "How long each stage is watched."
}

variable "deadline" {
  type        = string
  default     = "60s"
  description = "How long a stage that says nothing is held."
}

variable "freeze" {
  type        = object({ from = string, until = string })
  default     = null
  description = "When stages may not go on."
}

variable "approval" {
  type        = object({ people = number, valid = string })
  default     = null
  description = "Who must agree before the second stage begins."
}

variable "snapshot_before" {
  type        = bool
  default     = false
  description = "Whether a restore point is made before the first wave."
}

variable "told" {
  type        = string
  default     = null
  description = "A file that what people are told is written to."
}

gate "errors" {
  interval = "3s"
  timeout  = "5s"

  prometheus {
    url       = "http://127.0.0.1:${var.prometheus_port}"
    staleness = "6s"
    bad       = "sum(increase(http_requests_total{code=~\"5..\",$candidate}[$window]))"
    total     = "sum(increase(http_requests_total{$candidate}[$window]))"
  }

  rate {
    proceed_below  = 0.01
    rollback_above = 0.02
    min_sample     = 100
  }
}

gate "latency" {
  interval = "3s"
  timeout  = "5s"

  prometheus {
    url       = "http://127.0.0.1:${var.prometheus_port}"
    staleness = "6s"
    bad       = "sum(increase(http_request_duration_seconds_count{$candidate}[$window])) - sum(increase(http_request_duration_seconds_bucket{le=\"0.1\",$candidate}[$window]))"
    total     = "sum(increase(http_request_duration_seconds_count{$candidate}[$window]))"
  }

  rate {
    proceed_below  = 0.05
    rollback_above = 0.1
    min_sample     = 100
  }
}

gate "nodes" {
  interval = "3s"

  nodes {}

  consecutive = 3
}

rollout "work" {
  max_parallel    = 4
  max_unavailable = 2
  interval        = "3s"
  snapshot_before = var.snapshot_before

  error_budget {
    tolerated     = 0.001
    period        = "30d"
    per_node_rate = var.load
  }

  dynamic "notify" {
    for_each = var.told[*]

    content {
      command = ["sh", "-c", "cat >> ${notify.value}; echo >> ${notify.value}"]
    }
  }

  dynamic "window" {
    for_each = var.freeze[*]
    labels   = ["freeze"]

    content {
      effect = "deny"
      from   = window.value.from
      until  = window.value.until
    }
  }

  stage "canary-5" {
    nodes    = "5%"
    bake     = var.bake
    deadline = var.deadline

    gate "errors" {}
    gate "nodes" {}
  }

  stage "canary-25" {
    nodes    = "25%"
    bake     = var.bake
    deadline = var.deadline

    dynamic "approval" {
      for_each = var.approval[*]

      content {
        people = approval.value.people
        valid  = approval.value.valid
      }
    }

    gate "errors" {}
    gate "nodes" {}
  }

  stage "gradual-50" {
    nodes    = "50%"
    bake     = var.bake
    deadline = var.deadline

    gate "errors" {}
    gate "latency" {}
    gate "nodes" {}
  }

  stage "gradual-75" {
    nodes    = "75%"
    bake     = var.bake
    deadline = var.deadline

    gate "errors" {}
    gate "latency" {}
    gate "nodes" {}
  }

  stage "full" {
    nodes    = "100%"
    bake     = var.bake
    deadline = var.deadline

    gate "errors" {}
    gate "latency" {}
    gate "nodes" {}
  }
}
