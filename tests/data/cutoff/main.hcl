# Nodes that are logged in to over their network and in no other way, and a service that sets that network up: a wrong version of it
# cuts its node off. The tests copy it to environments/cutoff.

environment "cutoff" {
  description = "Nodes that can be cut off."
}

variable "cut" {
  type        = bool
  default     = false
  description = "Whether the service takes the network down."
}

variable "ports" {
  type        = list(number)
  description = "Ports of this machine that lead to the SSH servers of the nodes, one a node."
}

module "network" {
  source = "../../modules/network/local"
  name   = "cutoff"
  cidr   = "10.91.0.0/16"
}

service "uplink" {
  version = var.cut ? "2" : "1"
  command = ["/bin/sh", "@release@/uplink"]

  file "uplink" {
    content = <<-EOT
      for device in lo eth0; do
        ip link set "$device" ${var.cut ? "down" : "up"}
      done
      exec sleep infinity
    EOT
  }

  probe "runs" {
    command     = "true"
    from        = "node"
    deadline_ms = 3000
  }

  dead_man_s = 10
}

gate "nodes" {
  interval = "1s"

  nodes {}
}

rollout "careful" {
  max_parallel    = 1
  max_unavailable = 1
  interval        = "1s"

  stage "canary" {
    nodes    = 1
    bake     = "2s"
    deadline = "60s"

    gate "nodes" {}
  }

  stage "full" {
    nodes    = "100%"
    bake     = "2s"
    deadline = "60s"

    gate "nodes" {}
  }
}

node_set "work" {
  pool "main" {
    source  = "./machine"
    size    = length(var.ports)
    domains = ["a"]
    inputs  = { network = module.network.id, ports = var.ports }
  }
  services = [service.uplink]
  rollout  = rollout.careful
}
