variable "size" {
  type    = "string"
  default = "x"
}
