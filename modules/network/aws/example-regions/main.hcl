# The same network in several regions: a provider for each, and each module call with its own.

environment "example-regions" {}

variable "regions" {
  type        = map(object({ cidr = string, zones = list(string) }))
  description = "Networks by region; their addresses must not overlap where they are to be joined."
  default = {
    "eu-central-1" = { cidr = "10.20.0.0/16", zones = ["a", "b", "c"] }
    "us-east-1"    = { cidr = "10.21.0.0/16", zones = ["a", "b"] }
  }
}

provider "aws" {
  alias    = "in"
  for_each = var.regions
  region   = each.key

  default_tags {
    tags = { fleet = "example" }
  }
}

module "network" {
  for_each  = var.regions
  source    = ".."
  providers = { aws = aws.in[each.key] }
  name      = "example-${each.key}"
  cidr      = each.value.cidr
  zones     = [for zone in each.value.zones : "${each.key}${zone}"]
}

output "networks" {
  value = { for region, network in module.network : region => network.vpc_id }
}
