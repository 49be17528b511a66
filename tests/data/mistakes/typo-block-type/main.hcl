varible "region" {
  default = "eu"
}

output "o" {
  value = var.region
}
