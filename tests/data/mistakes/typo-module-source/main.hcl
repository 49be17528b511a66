module "m" {
  sorce = "./m"
}
