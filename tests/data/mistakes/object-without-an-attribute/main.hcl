variable "machine" {
  type = object({
    name = string
    cpus = number
  })
  default = { name = "a" }
}
