# A nebula mesh: an authority, a certificate per node, and the service that runs on every node.
# Each node makes its own key and keeps it; only the public half comes back to be signed.

variable "name" {
  type        = string
  description = "Name of the mesh, shown in its certificates."
}

variable "node_sets" {
  type        = any
  description = "The nodes of every node set in the mesh: [node_set.a.nodes, node_set.b.nodes]. The order gives addresses, so add new sets at the end."
}

variable "lighthouses" {
  type        = list(string)
  description = "Names of the nodes that tell the others where everybody is."
}

variable "cidr" {
  type        = string
  default     = "10.42.0.0/16"
  description = "Addresses inside the mesh."
}

variable "port" {
  type        = number
  default     = 4242
  description = "UDP port of the daemon on every node."
}

variable "cipher" {
  type        = string
  default     = "aes"
  description = "aes or chachapoly; the whole mesh must use the same one."
}

variable "package_version" {
  type        = string
  default     = "1.6.1+dfsg-3+b4"
  description = "Version of the Debian package nebula."
}

variable "package_sha256" {
  type        = string
  default     = "7a87a0ef1217215afbba9bb891cccc5c1bc22bd496913e9f47adb4073eec6a06"
  description = "SHA-256 of that package (amd64)."
}

locals {
  # Each set has a block of 8192 addresses, and each pool of a set 1024 of them, so that a node keeps
  # its address when others come and go.
  members = merge([
    for position, nodes in var.node_sets : {
      for node in nodes : node.name => {
        address    = cidrhost(var.cidr, position * 8192 + node.ordinal + 1)
        underlay   = node.address
        public_key = node.facts.nebula.public_key
      }
    }
  ]...)
  prefix      = split("/", var.cidr)[1]
  addresses   = { for name, member in local.members : name => member.address }
  lighthouses = { for name in var.lighthouses : local.members[name].address => local.members[name].underlay }
}

resource "nebula_ca" "this" {
  name = var.name
}

resource "nebula_certificate" "node" {
  for_each       = local.members
  name           = each.key
  address        = "${each.value.address}/${local.prefix}"
  public_key     = each.value.public_key
  ca_certificate = nebula_ca.this.certificate
  ca_private_key = nebula_ca.this.private_key
}

service "nebula" {
  version = split("+", var.package_version)[0]

  artifact {
    package         = "nebula"
    package_version = var.package_version
    sha256          = var.package_sha256
    paths = {
      "usr/bin/nebula"      = "bin/nebula"
      "usr/bin/nebula-cert" = "bin/nebula-cert"
    }
  }

  facts = {
    public_key = <<-SH
      set -e
      cd "@state@"
      if ! test -s host.key; then
        rm -f new.key new.pub
        umask 077
        "@artifact@/bin/nebula-cert" keygen -out-key new.key -out-pub new.pub
        mv new.pub host.pub
        mv new.key host.key
      fi
      cat host.pub
    SH
  }

  file "ca.crt" {
    content = nebula_ca.this.certificate
  }

  file "host.crt" {
    content = nebula_certificate.node[node.name].certificate
  }

  file "config.yml" {
    content = templatefile("${path.module}/config.yml.tftpl", {
      is_lighthouse = contains(var.lighthouses, node.name)
      lighthouses   = local.lighthouses
      port          = var.port
      cipher        = var.cipher
    })
  }

  command = ["@artifact@/bin/nebula", "-config", "@release@/config.yml"]
  check   = "\"@artifact@/bin/nebula\" -test -config \"@release@/config.yml\""

  # The daemon answers about itself ...
  probe "daemon" {
    http {
      port = 4280
      path = "/metrics"
    }
    from        = "node"
    deadline_ms = 20000
  }

  # ... but only another node can tell that it is in the mesh.
  probe "mesh" {
    tcp {
      host = local.addresses[node.name]
      port = 22
    }
    from        = "peer"
    deadline_ms = 20000
  }

  reachability {
    address = local.addresses[node.name]
    port    = 22
  }

  max_parallel = 1
  dead_man_s   = 60
}

output "service" {
  value       = service.nebula
  description = "The service, to be listed in a node set."
}

output "addresses" {
  value       = local.addresses
  description = "Address inside the mesh, by node name."
}
