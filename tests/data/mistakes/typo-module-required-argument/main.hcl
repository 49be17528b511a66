module "m" {
  source = "./m"
  regoin = "eu"
}
