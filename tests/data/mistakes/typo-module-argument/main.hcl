module "m" {
  source = "./m"
  szie   = 1
}
