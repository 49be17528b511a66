resource "local_network" "n" {
  name = "n"
}
