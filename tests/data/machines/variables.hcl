variable "workload_binary" {
  type        = string
  description = "Path of the program `workload`, as `cargo build -p workload` makes it."
}

variable "workload_version" {
  type        = string
  default     = "1"
  description = "What the workload says its version is."
}

variable "sick_from" {
  type        = number
  default     = 1000
  description = "Nodes with this ordinal and above get a program that is not well."
}

variable "odd_from" {
  type        = number
  default     = 1000
  description = "Nodes with this ordinal and above say that they are odd: they are well, and Prometheus sees that they are not right."
}

variable "prometheus_port" {
  type        = number
  default     = 19090
  description = "Port on 127.0.0.1 of this machine where Prometheus is offered."
}

variable "image" {
  type        = string
  default     = "one"
  description = "What machines are made from: another one means another machine."
}

variable "data_path" {
  type        = string
  default     = "/data"
  description = "Where machines of the front have their volume; changed in place."
}

variable "network" {
  type        = string
  default     = "machines"
  description = "The network's name: another one means another network."
}

variable "max_surge" {
  type        = string
  default     = "0"
  description = "How many nodes more than a set has may exist."
}

variable "front" {
  type        = number
  default     = 3
  description = "How many nodes the front has."
}

variable "back" {
  type        = number
  default     = 1
  description = "How many nodes the back has."
}
