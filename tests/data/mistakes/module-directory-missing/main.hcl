module "m" {
  source = "./network"
}
