resource "local_volume" "a" {
  nmae = "a"
  size = 1
}

output "o" {
  valeu = 1
}
