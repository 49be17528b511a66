module "network" {
  source = "./m"
}

output "o" {
  value = module.netwrok.name
}
