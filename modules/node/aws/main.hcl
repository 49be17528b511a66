# One node on AWS: an EC2 instance. A node set calls this module once per node. Nodes of a pool in one zone have the same
# arguments, so that one call makes all of them: nothing here may differ from node to node unless an input asks for it.

variable "node" {
  type = object({
    name      = string
    index     = number
    ordinal   = number
    domain    = string
    node_set  = string
    pool      = string
    login_key = string
  })
  description = "Which node to make; the node set fills this in. Its domain is an availability zone."
}

variable "network" {
  type = object({
    subnets           = map(string)
    security_group_id = string
  })
  description = "Subnets by availability zone and the security group of the nodes, from modules/network/aws."
}

variable "image" {
  type        = string
  description = "Id of the image (AMI). It must have cloud-init, OpenSSH and systemd, as the Debian and Ubuntu images do."
}

variable "machine_type" {
  type        = string
  default     = "t3.small"
  description = "Instance type; another one stops the machine, changes it and starts it again."
}

variable "host_key" {
  type = object({
    private_key_openssh = string
    public_key_openssh  = string
  })
  default     = null
  description = "The SSH host key that all nodes of the pool share, a tls_private_key; null for one per node."
}

variable "root_gib" {
  type        = number
  default     = 20
  description = "Size of the root disk in GiB; it can grow in place."
}

variable "data_gib" {
  type        = number
  default     = null
  description = "Size of a data volume in GiB that outlives the machine; null for none."
}

variable "data_path" {
  type        = string
  default     = "/data"
  description = "Where the data volume is mounted on the node."
}

variable "public" {
  type        = bool
  default     = false
  description = "Whether the node has a public address, and is logged in to there; other nodes use the private one."
}

variable "spot" {
  type        = bool
  default     = false
  description = "Whether the machine is a spot instance; its type then cannot change in place."
}

variable "ssh_port" {
  type        = number
  default     = 22
  description = "Port that the image's SSH server listens on."
}

variable "instance_profile" {
  type        = string
  default     = null
  description = "Name of the instance profile of the machine."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of everything made here."
}

variable "name_tag" {
  type        = bool
  default     = false
  description = "Whether the machine has its node's name as tag `Name`; then each machine takes a call of its own."
}

resource "tls_private_key" "host" {
  count     = var.host_key == null ? 1 : 0
  algorithm = "ED25519"
}

locals {
  private_key = var.host_key == null ? one(tls_private_key.host[*].private_key_openssh) : var.host_key.private_key_openssh
  public_key  = var.host_key == null ? one(tls_private_key.host[*].public_key_openssh) : var.host_key.public_key_openssh
  subnet      = var.network.subnets[var.node.domain]

  # The machine waits for its data volume, which comes when it runs already. A volume that has a file system keeps it.
  mount = <<-EOT
    #!/bin/sh
    set -eu
    root=$(lsblk -no pkname "$(findmnt -no SOURCE /)")
    for try in $(seq 300); do
      for device in /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol* /dev/xvdf /dev/sdf; do
        [ -b "$device" ] || continue
        name=$(basename "$(readlink -f "$device")")
        case "$name" in "$root"*) continue ;; esac
        [ "$(lsblk -dno type "$device")" = disk ] || continue
        blkid "$device" > /dev/null || mkfs.ext4 -q "$device"
        mkdir -p '${var.data_path}'
        exec mount "$device" '${var.data_path}'
      done
      sleep 2
    done
    exit 1
  EOT

  unit = <<-EOT
    [Unit]
    Description=The data volume
    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=/usr/local/sbin/mount-data
    [Install]
    WantedBy=multi-user.target
  EOT

  files = var.data_gib == null ? [] : [
    { path = "/usr/local/sbin/mount-data", permissions = "0755", content = local.mount },
    { path = "/etc/systemd/system/data.service", permissions = "0644", content = local.unit },
  ]

  cloud_config = {
    disable_root        = false
    ssh_pwauth          = false
    ssh_authorized_keys = [var.node.login_key]
    ssh_deletekeys      = true
    ssh_keys = {
      ed25519_private = local.private_key
      ed25519_public  = local.public_key
    }
    write_files = local.files
    runcmd      = var.data_gib == null ? [] : [["systemctl", "enable", "--now", "--no-block", "data.service"]]
  }
}

resource "aws_instance" "this" {
  ami                         = var.image
  instance_type               = var.machine_type
  subnet_id                   = local.subnet
  vpc_security_group_ids      = [var.network.security_group_id]
  associate_public_ip_address = var.public
  iam_instance_profile        = var.instance_profile
  user_data                   = "#cloud-config\n${jsonencode(local.cloud_config)}"
  user_data_replace_on_change = true
  tags                        = var.name_tag ? merge(var.tags, { Name = var.node.name }) : var.tags

  root_block_device {
    volume_size = var.root_gib
    volume_type = "gp3"
    encrypted   = true
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  dynamic "instance_market_options" {
    for_each = var.spot ? ["spot"] : []
    content {
      market_type = instance_market_options.value
    }
  }
}

resource "aws_ebs_volume" "data" {
  count             = var.data_gib == null ? 0 : 1
  availability_zone = var.node.domain
  size              = var.data_gib
  type              = "gp3"
  encrypted         = true
  tags              = merge(var.tags, { Name = "${var.node.name}-data" })
}

resource "aws_volume_attachment" "data" {
  count       = var.data_gib == null ? 0 : 1
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data[0].id
  instance_id = aws_instance.this.id
}

output "machine" {
  value = {
    address       = aws_instance.this.private_ip
    login_address = var.public ? aws_instance.this.public_ip : null
    port          = var.ssh_port
    user          = "root"
    host_key      = local.public_key
    socket        = null
  }
  description = "How the node is reached, for the node set."
}
