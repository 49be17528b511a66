# The rollout to start from: 5, 25, 50, 75 and 100 per cent of the nodes, each watched for longer than the one before.

variable "prometheus_url" {
  type        = string
  description = "Where Prometheus answers, as seen by whoever drives the rollout: http://127.0.0.1:9090."
}

variable "prometheus_headers" {
  type        = map(string)
  default     = {}
  sensitive   = true
  description = "Headers of what Prometheus is asked, for one that asks who it is: { Authorization = \"Bearer ...\" }. Kept nowhere."
}

variable "alertmanager_url" {
  type        = string
  default     = null
  description = "Where Alertmanager answers; without it, alerts are not looked at."
}

variable "alertmanager_headers" {
  type        = map(string)
  default     = {}
  sensitive   = true
  description = "The same for Alertmanager."
}

variable "alert_matchers" {
  type        = list(string)
  default     = ["severity=\"critical\""]
  description = "Which alerts stop a canary."
}

variable "requests" {
  type        = string
  default     = "http_requests_total"
  description = "Counter of requests, with a label `node`; null where there is none: then neither errors nor throughput are looked at."
}

variable "failed" {
  type        = string
  default     = "code=~\"5..\""
  description = "The label matcher of requests that failed."
}

variable "latency" {
  type        = string
  default     = "http_request_duration_seconds"
  description = "Histogram of how long requests took, in seconds, with a label `node`; null where there is none: then latency is not looked at."
}

variable "buckets" {
  type        = object({ canary = string, steady = string, rollback = string })
  default     = { canary = "0.15", steady = "0.1", rollback = "0.2" }
  description = "Bounds of buckets of the histogram: what p95 must be below in the canary stages, in all later ones, and above what it is rolled back."
}

variable "selector" {
  type        = string
  default     = ""
  description = "A label matcher that all queries get, such as `node_set=\"edge\"`."
}

variable "offered" {
  type        = string
  default     = null
  description = "A PromQL query of the requests a second that users send. Without it, throughput is only compared with the control group's."
}

variable "load_floor" {
  type        = number
  default     = 7500
  description = "Throughput is judged only while so many requests a second are offered."
}

variable "throughput" {
  type        = object({ gradual = number, full = number })
  default     = { gradual = 6000, full = 6800 }
  description = "What all nodes together must serve, in requests a second, while at least `load_floor` are offered."
}

variable "throughput_of_control" {
  type        = number
  default     = 0.9
  description = "What a node of the candidate must serve of what a node of the control group does."
}

variable "errors" {
  type        = object({ below = number, full_below = number, rollback_above = number })
  default     = { below = 0.001, full_below = 0.0005, rollback_above = 0.01 }
  description = "Share of failed requests: below what a stage goes on, the last stage ends, and above what it is rolled back."
}

variable "worse_than_control" {
  type        = object({ errors = number, slow = number })
  default     = { errors = 0.005, slow = 0.05 }
  description = "By how much the share of failed, and of slow requests may be above the control group's in the gradual stages."
}

variable "min_sample" {
  type        = number
  default     = 1000
  description = "Below so many requests nothing is concluded."
}

variable "confidence" {
  type        = number
  default     = 0.99
  description = "How sure it must be, from 0 to 1."
}

variable "interval" {
  type        = string
  default     = "30s"
  description = "How often the gates are measured; at least twice the scrape interval of Prometheus."
}

variable "time_scale" {
  type        = number
  default     = 1
  description = "Bakes and deadlines are multiplied by this: 0.01 for a rehearsal."

  validation {
    condition     = var.time_scale > 0
    error_message = "A rollout takes some time: time_scale is above 0."
  }
}

variable "bakes" {
  type        = map(number)
  default     = {}
  description = "For how many minutes stages bake instead of 15, 30, 60, 120 and 1440, by the name of the stage, before `time_scale`."

  validation {
    condition     = length(setsubtract(keys(var.bakes), local.stages[*].name)) == 0
    error_message = "There are the stages ${join(", ", local.stages[*].name)}."
  }
}

variable "max_parallel" {
  type        = number
  default     = 4
  description = "How many nodes are changed at a time."
}

variable "max_unavailable" {
  type        = string
  default     = "25%"
  description = "How many nodes of a failure domain may be down at a time."
}

variable "max_surge" {
  type        = string
  default     = "0"
  description = "How many nodes more than the set has may exist while nodes are replaced."
}

variable "holdback" {
  type        = number
  default     = 1
  description = "How many nodes of a failure domain stay on the stable revision from 75 % on, as the control group."
}

variable "snapshot_before" {
  type        = bool
  default     = false
  description = "Whether a restore point is made before the first wave."
}

variable "apart" {
  type        = list(list(string))
  default     = []
  description = "Pairs of nodes that are never changed at the same time."
}

variable "per_node_rate" {
  type        = number
  default     = null
  description = "Requests a second that one node serves. With it, a plan says what each stage can prove and what it puts at stake."
}

variable "error_budget" {
  type        = object({ tolerated = number, period = string })
  default     = { tolerated = 0.001, period = "30d" }
  description = "What users were promised: which share of requests may fail, over how long."
}

variable "approvals" {
  type        = map(number)
  default     = {}
  description = "How many people must agree before a stage begins, by the name of the stage: { full = 2 }."

  validation {
    condition     = length(setsubtract(keys(var.approvals), local.stages[*].name)) == 0
    error_message = "There are the stages ${join(", ", local.stages[*].name)}."
  }
}

variable "gates" {
  type        = any
  default     = {}
  description = "More gates, which every stage is judged by: { certificate = gate.certificate }."
}

variable "windows" {
  type = list(object({
    name     = string
    effect   = string
    from     = string
    until    = string
    days     = optional(list(string))
    timezone = optional(string)
  }))
  default     = []
  description = "When stages may begin and be promoted, as blocks `window` say it."
}

variable "webhook" {
  type        = string
  default     = null
  sensitive   = true
  description = "Where to tell of stages, verdicts and rollbacks; may hold a secret."
}

locals {
  # Bakes and deadlines in minutes.
  stages = [
    { name = "canary-5", kind = "canary", nodes = "5%", bake = 15, deadline = 30 },
    { name = "canary-25", kind = "canary", nodes = "25%", bake = 30, deadline = 60 },
    { name = "gradual-50", kind = "gradual", nodes = "50%", bake = 60, deadline = 120 },
    { name = "gradual-75", kind = "gradual", nodes = "75%", bake = 120, deadline = 240 },
    { name = "full", kind = "full", nodes = "100%", bake = 1440, deadline = 4320 },
  ]

  # What there is to look at.
  alerts   = var.alertmanager_url == null ? {} : { alerts = {} }
  counted  = var.requests == null ? toset([]) : toset(["errors"])
  per_node = var.requests == null ? {} : { per-node = {} }
  timed_of = var.latency == null ? toset([]) : toset(["p95"])
  total    = var.offered == null || var.requests == null ? toset([]) : toset(["throughput"])

  # What a stage is judged by besides errors and the nodes themselves, and what it says otherwise than the gate.
  judged = {
    canary = merge({ for name in local.timed_of : "p95-canary" => {} }, local.alerts)
    gradual = merge(
      { for name in local.timed_of : name => { worse_than_control = var.worse_than_control.slow } },
      { for name in local.timed_of : "p95-rollback" => {} },
      local.per_node,
      { for name in local.total : name => { proceed_above = var.throughput.gradual } },
    )
    full = merge(
      { for name in local.timed_of : name => {} },
      { for name in local.total : name => { proceed_above = var.throughput.full } },
    )
  }

  # No stage names a gate that asks for what is not there.
  requests = coalesce(var.requests, "http_requests_total")
  latency  = coalesce(var.latency, "http_request_duration_seconds")

  with      = var.selector == "" ? "" : "${var.selector},"
  candidate = "${local.with}$candidate"
  control   = "${local.with}$control"
  groups    = { candidate = local.candidate, control = local.control }

  # Requests that were timed, and those of them that took longer than a bound.
  timed = { for group, nodes in local.groups : group => "sum(increase(${local.latency}_count{${nodes}}[$window]))" }
  slow = {
    for bound, le in var.buckets : bound => {
      for group, nodes in local.groups :
      group => "${local.timed[group]} - sum(increase(${local.latency}_bucket{le=\"${le}\",${nodes}}[$window]))"
    }
  }
}

# No series of failed requests means that none failed, as long as there are requests at all.
gate "errors" {
  prometheus {
    url           = var.prometheus_url
    headers       = var.prometheus_headers
    bad           = "sum(increase(${local.requests}{${var.failed},${local.candidate}}[$window])) or vector(0)"
    total         = "sum(increase(${local.requests}{${local.candidate}}[$window]))"
    control_bad   = "sum(increase(${local.requests}{${var.failed},${local.control}}[$window])) or vector(0)"
    control_total = "sum(increase(${local.requests}{${local.control}}[$window]))"
  }
  rate {
    proceed_below  = var.errors.below
    rollback_above = var.errors.rollback_above
    min_sample     = var.min_sample
    confidence     = var.confidence
  }
}

# p95 < 150 ms: at most one request of twenty takes longer.
gate "p95-canary" {
  prometheus {
    url     = var.prometheus_url
    headers = var.prometheus_headers
    bad     = local.slow.canary.candidate
    total   = local.timed.candidate
  }
  rate {
    proceed_below = 0.05
    min_sample    = var.min_sample
    confidence    = var.confidence
  }
}

gate "p95" {
  prometheus {
    url           = var.prometheus_url
    headers       = var.prometheus_headers
    bad           = local.slow.steady.candidate
    total         = local.timed.candidate
    control_bad   = local.slow.steady.control
    control_total = local.timed.control
  }
  rate {
    proceed_below = 0.05
    min_sample    = var.min_sample
    confidence    = var.confidence
  }
}

gate "p95-rollback" {
  prometheus {
    url     = var.prometheus_url
    headers = var.prometheus_headers
    bad     = local.slow.rollback.candidate
    total   = local.timed.candidate
  }
  rate {
    proceed_below  = 0.05
    rollback_above = 0.05
    min_sample     = var.min_sample
    confidence     = var.confidence
  }
}

# What a node serves, compared with what a node of the control group does: night or day, both have the same users.
gate "per-node" {
  prometheus {
    url     = var.prometheus_url
    headers = var.prometheus_headers
    value   = "avg(sum by (node) (rate(${local.requests}{${local.candidate}}[2m])))"
    control = "avg(sum by (node) (rate(${local.requests}{${local.control}}[2m])))"
  }
  value {
    proceed_above = var.throughput_of_control
    relative      = true
    consecutive   = 3
  }
}

# What all nodes serve together, while enough is offered; no data while the candidate gives none.
gate "throughput" {
  prometheus {
    url     = var.prometheus_url
    headers = var.prometheus_headers
    value   = "sum(rate(${local.requests}{${var.selector}}[2m])) and on () count(${local.requests}{${local.candidate}})"
    load    = coalesce(var.offered, "vector(0)")
  }
  value {
    min_load    = var.load_floor
    consecutive = 3
  }
}

# No stage names it without an address.
gate "alerts" {
  consecutive = 3

  alertmanager {
    url      = coalesce(var.alertmanager_url, "http://127.0.0.1:9093")
    headers  = var.alertmanager_headers
    matchers = var.alert_matchers
  }
}

gate "nodes" {
  consecutive = 3
  nodes {}
}

rollout "standard" {
  max_parallel    = var.max_parallel
  max_unavailable = var.max_unavailable
  max_surge       = var.max_surge
  holdback        = var.holdback
  interval        = var.interval
  snapshot_before = var.snapshot_before
  apart           = var.apart

  dynamic "stage" {
    for_each = local.stages
    labels   = [stage.value.name]

    content {
      nodes    = stage.value.nodes
      bake     = "${lookup(var.bakes, stage.value.name, stage.value.bake) * 60 * var.time_scale}s"
      deadline = "${stage.value.deadline * 60 * var.time_scale}s"

      dynamic "gate" {
        for_each = local.counted
        iterator = counted
        labels   = [counted.value]
        content {
          proceed_below      = stage.value.kind == "full" ? var.errors.full_below : var.errors.below
          worse_than_control = stage.value.kind == "gradual" ? var.worse_than_control.errors : null
        }
      }
      gate "nodes" {}

      dynamic "gate" {
        for_each = local.judged[stage.value.kind]
        iterator = judged
        labels   = [judged.key]
        content {
          proceed_above      = lookup(judged.value, "proceed_above", null)
          worse_than_control = lookup(judged.value, "worse_than_control", null)
        }
      }

      dynamic "gate" {
        for_each = var.gates
        iterator = more
        labels   = [more.key]
        content { use = more.value }
      }

      dynamic "approval" {
        for_each = lookup(var.approvals, stage.value.name, null)[*]
        content { people = approval.value }
      }
    }
  }

  dynamic "window" {
    for_each = var.windows
    labels   = [window.value.name]
    content {
      effect   = window.value.effect
      from     = window.value.from
      until    = window.value.until
      days     = window.value.days
      timezone = window.value.timezone
    }
  }

  dynamic "error_budget" {
    for_each = var.per_node_rate[*]
    content {
      tolerated     = var.error_budget.tolerated
      period        = var.error_budget.period
      per_node_rate = error_budget.value
    }
  }

  dynamic "notify" {
    for_each = nonsensitive(var.webhook == null) ? [] : ["webhook"]
    content { webhook = var.webhook }
  }
}

output "standard" {
  value       = rollout.standard
  description = "The rollout, for a node set: rollout = module.rollout.standard."
}
