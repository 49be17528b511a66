# The stages of modules/rollout/standard for nodes that serve no requests of users: judged by what the nodes themselves export. The requests of
# Prometheus must not fail, and every node has to be seen and in the mesh.

variable "prometheus_url" {
  type        = string
  description = "Where Prometheus answers, as seen by whoever drives the rollout: http://127.0.0.1:9090."
}

variable "node_set" {
  type        = string
  description = "The node set that is rolled out, as modules/monitoring names it in the label `node_set`."
}

variable "device" {
  type        = string
  default     = "nebula0"
  description = "The network device of the mesh on every node."
}

variable "interval_s" {
  type        = number
  default     = 30
  description = "The gates are measured every so many seconds; at least twice the scrape interval of Prometheus."
}

variable "time_scale" {
  type        = number
  default     = 1
  description = "Bakes and deadlines are multiplied by this: 0.01 for a rehearsal."
}

variable "bakes" {
  type        = map(number)
  default     = {}
  description = "For how many minutes stages bake instead of 15, 30, 60, 120 and 1440, by the name of the stage, before `time_scale`."
}

variable "snapshot_before" {
  type        = bool
  default     = false
  description = "Whether a restore point of the nodes is made before the first one changes."
}

module "stages" {
  source          = "../standard"
  prometheus_url  = var.prometheus_url
  selector        = "node_set=\"${var.node_set}\""
  requests        = "promhttp_metric_handler_requests_total"
  latency         = null
  min_sample      = 2
  interval        = "${var.interval_s}s"
  time_scale      = var.time_scale
  bakes           = var.bakes
  snapshot_before = var.snapshot_before
  gates           = { seen = gate.seen, mesh = gate.mesh }
}

gate "seen" {
  interval = "${var.interval_s}s"

  prometheus {
    url   = var.prometheus_url
    value = "min(up{job=\"node\",node_set=\"${var.node_set}\",$candidate})"
  }
  value {
    proceed_above  = 0.5
    rollback_below = 0.5
    consecutive    = 3
  }
}

gate "mesh" {
  interval = "${var.interval_s}s"

  prometheus {
    url   = var.prometheus_url
    value = "min(node_network_carrier{device=\"${var.device}\",node_set=\"${var.node_set}\",$candidate})"
  }
  value {
    proceed_above  = 0.5
    rollback_below = 0.5
    consecutive    = 3
  }
}

output "standard" {
  value       = module.stages.standard
  description = "The rollout, for a node set: rollout = module.NAME.standard."
}
