output "o" {
  value = [for x in 5 : x]
}
