//! Networks.

use crate::support::{Cloud, conforms, made};
use model::Value;

#[tokio::test]
async fn networks_conform() {
    let Some(cloud) = Cloud::start() else { return };
    let aws = cloud.provider("eu-central-1");
    let range = || ("cidr_block", Value::from("10.0.0.0/16"));
    let changed = [range(), ("enable_dns_hostnames", true.into())];
    conforms(&aws, "aws_vpc", [range()], Some(changed)).await;
    let vpc = made(&aws, "aws_vpc", "main", [range()]).await;
    let place = || [("vpc_id", Value::from(vpc.id.as_str())), ("cidr_block", "10.0.1.0/24".into())];
    let [one, other] = place();
    let changed = [one, other, ("map_public_ip_on_launch", true.into())];
    conforms(&aws, "aws_subnet", place(), Some(changed)).await;
}
