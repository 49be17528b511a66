resource "terraform_data" "web" {
  input = "x"
}

output "o" {
  value = terraform_data.wbe.id
}
