resource "local_network" "n" {
  name = "n"
  cidr = "10.0.0.0/33"
}
