variable "names" {
  type    = list(strng)
  default = []
}
