variable "region" {
  defalt = "eu"
}

output "o" {
  value = var.region
}
