module "m" {
  source = "./m"
  in     = local.a
}

locals {
  a = module.m.out
}
