output "o" {
  value = [var.nope, module.known.o]
}

module known {
  source = = "./m"
}

resource "terraform_data" {
  input = 1

output "q" {
  value = local.zonk
}
