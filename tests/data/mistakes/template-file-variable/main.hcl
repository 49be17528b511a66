output "o" {
  value = templatefile("${path.module}/motd.tpl", { name = "n" })
}
