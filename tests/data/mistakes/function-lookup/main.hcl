output "o" {
  value = lookup({ a = 1 }, "b")
}
