# Monitoring: node_exporter for every node, a Prometheus that scrapes them all, and an Alertmanager if one is wanted.

variable "node_sets" {
  type        = any
  description = "The nodes of every node set to watch: [node_set.a.nodes, node_set.b.nodes]."
}

variable "exporter_port" {
  type        = number
  default     = 9100
  description = "Port of node_exporter on every node."
}

variable "port" {
  type        = number
  default     = 9090
  description = "Port of Prometheus on its node."
}

variable "scrape_interval_s" {
  type        = number
  default     = 5
  description = "Every target is read once in so many seconds."
}

variable "jobs" {
  type        = any
  default     = {}
  description = "What else is scraped: name of the job => { nodes = node_set.a.nodes, port = 8080, path = \"/metrics\" }."
}

variable "rules" {
  type        = map(string)
  default     = {}
  description = "More rules of Prometheus: name of the file => groups, as YAML."
}

variable "alertmanager" {
  type        = bool
  default     = false
  description = "Whether there is an Alertmanager, and alerts: list `alertmanager` where `prometheus` is listed."
}

variable "alertmanager_port" {
  type        = number
  default     = 9093
  description = "Port of Alertmanager on its node."
}

variable "resend_s" {
  type        = number
  default     = 15
  description = "Prometheus reports an alert again after so many seconds; four times that after its end it is forgotten."
}

variable "runbooks" {
  type        = string
  default     = "modules/monitoring/README.md"
  description = "What the links to runbooks begin with; `#` and the name of the alert follow."
}

variable "retention" {
  type        = string
  default     = "15d"
  description = "How long samples are kept."
}

variable "exporter_package" {
  type = object({ version = string, sha256 = string })
  default = {
    version = "1.5.0-1+b6"
    sha256  = "8cb5b39627595ea2cf3cd27be593e0e9af87023d29e1c5b8487e2f9510097e09"
  }
  description = "Version and SHA-256 of the Debian package prometheus-node-exporter (amd64)."
}

variable "prometheus_package" {
  type = object({ version = string, sha256 = string })
  default = {
    version = "2.42.0+ds-5+deb12u1"
    sha256  = "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"
  }
  description = "Version and SHA-256 of the Debian package prometheus (amd64)."
}

variable "alertmanager_package" {
  type = object({ version = string, sha256 = string })
  default = {
    version = "0.25.0-1+b4"
    sha256  = "4fb9aed15cfe8e0c32408e643ab32a1e41ee87d2cc26f18aeba928b1b0b98ae7"
  }
  description = "Version and SHA-256 of the Debian package prometheus-alertmanager (amd64)."
}

locals {
  nodes = flatten(var.node_sets)
  exporters = [
    for node in local.nodes : {
      targets = ["${node.address}:${var.exporter_port}"]
      labels = {
        node     = node.name
        node_set = node.node_set
        domain   = node.domain
        revision = node.revision
      }
    }
  ]
  served = flatten([
    for name, job in var.jobs : [
      for node in job.nodes : {
        targets = ["${node.address}:${job.port}"]
        labels = {
          job              = name
          __metrics_path__ = try(job.path, "/metrics")
          node             = node.name
          node_set         = node.node_set
          domain           = node.domain
          revision         = node.revision
        }
      }
    ]
  ])
  targets = concat(local.exporters, local.served)

  # Whether Prometheus scrapes just the targets: each was read lately, and nothing else is by now. Up or down is not asked: a node or a
  # service that is down must not keep Prometheus from being changed. An instant query alone may still answer with what is gone.
  lately    = "(time() - timestamp(up%s) < ${3 * var.scrape_interval_s})"
  addresses = concat(["127.0.0.1:${var.port}"], flatten(local.targets[*].targets))
  wanted    = "{instance=~\"${replace(join("|", local.addresses), ".", "[.]")}\"}"
  read      = "count(count by (job, instance) (${format(local.lately, local.wanted)}))"
  all       = "count(count by (job, instance) (${format(local.lately, "")}))"
  scraped   = "${local.read} == ${length(local.addresses)} and ${local.all} == ${length(local.addresses)}"
  rules = merge(
    var.rules,
    var.alertmanager ? { monitoring = templatefile("${path.module}/rules.yml.tftpl", { runbooks = var.runbooks }) } : {},
  )
}

service "node_exporter" {
  version = split("-", var.exporter_package.version)[0]

  artifact {
    package         = "prometheus-node-exporter"
    package_version = var.exporter_package.version
    sha256          = var.exporter_package.sha256
    paths           = { "usr/bin/prometheus-node-exporter" = "bin/node_exporter" }
  }

  command = ["@artifact@/bin/node_exporter", "--web.listen-address=:${var.exporter_port}"]

  probe "metrics" {
    http {
      port = var.exporter_port
      path = "/metrics"
    }
    from        = "node"
    deadline_ms = 20000
  }

  max_parallel = 4
}

service "prometheus" {
  version = split("+", var.prometheus_package.version)[0]

  artifact {
    package         = "prometheus"
    package_version = var.prometheus_package.version
    sha256          = var.prometheus_package.sha256
    paths = {
      "usr/bin/prometheus"   = "bin/prometheus"
      "usr/bin/promtool"     = "bin/promtool"
      "usr/share/prometheus" = "share/prometheus"
    }
  }

  file "prometheus.yml" {
    content = templatefile("${path.module}/prometheus.yml.tftpl", {
      scrape_interval_s = var.scrape_interval_s
      port              = var.port
      rules             = keys(local.rules)
      alertmanager      = var.alertmanager ? "127.0.0.1:${var.alertmanager_port}" : ""
    })
  }

  dynamic "file" {
    for_each = local.rules
    labels   = ["rules/${file.key}.yml"]
    content {
      content = file.value
    }
  }

  # Prometheus watches this file: a node that comes or goes needs no restart.
  file "targets.json" {
    content = jsonencode(local.targets)
    live    = true
  }

  command = concat([
    "@artifact@/bin/prometheus",
    "--config.file=@release@/prometheus.yml",
    "--storage.tsdb.path=@state@/data",
    "--storage.tsdb.retention.time=${var.retention}",
    "--web.listen-address=:${var.port}",
  ], var.alertmanager ? ["--rules.alert.resend-delay=${var.resend_s}s"] : [])
  check = "\"@artifact@/bin/promtool\" check config \"@release@/prometheus.yml\""

  probe "ready" {
    http {
      port = var.port
      path = "/-/ready"
    }
    from        = "node"
    deadline_ms = 60000
  }

  probe "targets" {
    command     = "\"@artifact@/bin/promtool\" query instant http://127.0.0.1:${var.port} '${local.scraped}' | grep -q '=>'"
    from        = "node"
    deadline_ms = 120000
  }

  max_parallel = 1
}

service "alertmanager" {
  enabled = var.alertmanager
  version = split("-", var.alertmanager_package.version)[0]

  artifact {
    package         = "prometheus-alertmanager"
    package_version = var.alertmanager_package.version
    sha256          = var.alertmanager_package.sha256
    paths = {
      "usr/bin/prometheus-alertmanager"   = "bin/alertmanager"
      "usr/share/prometheus/alertmanager" = "share/prometheus/alertmanager"
    }
  }

  # Nobody is told from here; whoever wants to be writes routes into a module of their own.
  file "alertmanager.yml" {
    content = yamlencode({ route = { receiver = "nobody" }, receivers = [{ name = "nobody" }] })
  }

  # Debian's build reads its templates below /usr/share, and it alone sees them there.
  command = [
    "unshare", "--mount", "sh", "-c",
    "mount --bind \"$0\" /usr/share && exec \"$@\"",
    "@artifact@/share",
    "@artifact@/bin/alertmanager",
    "--config.file=@release@/alertmanager.yml",
    "--storage.path=@state@/data",
    "--web.listen-address=:${var.alertmanager_port}",
    "--cluster.listen-address=",
  ]

  probe "ready" {
    http {
      port = var.alertmanager_port
      path = "/-/ready"
    }
    from        = "node"
    deadline_ms = 60000
  }

  max_parallel = 1
}

output "node_exporter" {
  value       = service.node_exporter
  description = "The service for every node."
}

output "prometheus" {
  value       = service.prometheus
  description = "The service for the node that watches."
}

output "alertmanager" {
  value       = service.alertmanager
  description = "The service for the node that watches; null where none is wanted."
}
