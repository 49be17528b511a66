//! `aws_ec2_instance_type`: what a type of machines has.

use crate::arguments::{Given, flag, number, text, texts};
use crate::client::Session;
use crate::data::{Source, source};
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    ArchitectureType, EbsNvmeSupport, EbsOptimizedSupport, InstanceType, InstanceTypeHypervisor,
    InstanceTypeInfo, UsageClassType,
};
use model::schema::{Attribute, DataSchema};
use model::{Type, Value};
use provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;

pub(crate) struct Ec2InstanceType;

#[async_trait]
impl Source for Ec2InstanceType {
    fn name(&self) -> &'static str {
        "aws_ec2_instance_type"
    }

    fn schema(&self) -> DataSchema {
        let number = |description: &str| Attribute::computed(Type::Number, description);
        let flag = |description: &str| Attribute::computed(Type::Bool, description);
        let word = |description: &str| Attribute::computed(Type::String, description);
        let words = |description: &str| Attribute::computed(Type::list(Type::String), description);
        source(
            "What a type of machines has.",
            [
                (
                    "instance_type",
                    Attribute::required(Type::String, "The type, such as m7g.large."),
                ),
                ("id", word("The type.")),
                ("default_vcpus", number("Its processors.")),
                ("default_cores", number("Its cores.")),
                ("default_threads_per_core", number("Threads of a core.")),
                ("memory_size", number("Its memory in MiB.")),
                ("supported_architectures", words("Its processors: `x86_64` or `arm64`.")),
                ("supported_usages_classes", words("How it can be paid for: `on-demand`, `spot`.")),
                ("burstable_performance_supported", flag("Whether it has processor credits.")),
                ("current_generation", flag("Whether it is of the current generation.")),
                ("bare_metal", flag("Whether it is hardware without a hypervisor.")),
                ("free_tier_eligible", flag("Whether the free tier has it.")),
                ("dedicated_hosts_supported", flag("Whether dedicated hosts have it.")),
                ("hypervisor", word("Its hypervisor.")),
                ("ebs_nvme_support", word("Whether its disks are NVMe devices.")),
                ("ebs_optimized_support", word("Whether its disks have a network of their own.")),
                ("instance_storage_supported", flag("Whether it has disks that end with it.")),
                ("total_instance_storage", number("Their size in GB.")),
                ("network_performance", word("How fast its network is.")),
                ("maximum_network_interfaces", number("Network interfaces at most.")),
            ],
        )
    }

    async fn read(
        &self,
        session: &Session,
        given: Given<'_>,
    ) -> Result<BTreeMap<&'static str, Value>, ProviderError> {
        let name = given.needed("instance_type")?;
        let call = session
            .ec2()
            .await?
            .describe_instance_types()
            .instance_types(InstanceType::from(name.as_str()));
        let unknown = || {
            let message = format!("the region has no machines of the type `{name}`");
            ProviderError::new(ErrorClass::NotFound, message)
        };
        let answer = session.call("DescribeInstanceTypes", call.send()).await;
        let answer = answer.map_err(|error| {
            if error.message.contains("InvalidInstanceType") { unknown() } else { error }
        })?;
        let found = answer.instance_types.unwrap_or_default().pop();
        found.map(|it| told(&name, &it)).ok_or_else(unknown)
    }
}

fn large(value: Option<i64>) -> Value {
    value.map_or_else(|| Value::null(Type::Number), Value::from)
}

fn told(name: &str, it: &InstanceTypeInfo) -> BTreeMap<&'static str, Value> {
    let processors = it.v_cpu_info();
    let architectures =
        it.processor_info().map(aws_sdk_ec2::types::ProcessorInfo::supported_architectures);
    let (ebs, network) = (it.ebs_info(), it.network_info());
    let storage = it
        .instance_storage_info()
        .and_then(aws_sdk_ec2::types::InstanceStorageInfo::total_size_in_gb);
    BTreeMap::from([
        ("id", name.into()),
        (
            "default_vcpus",
            number(processors.and_then(aws_sdk_ec2::types::VCpuInfo::default_v_cpus)),
        ),
        ("default_cores", number(processors.and_then(aws_sdk_ec2::types::VCpuInfo::default_cores))),
        (
            "default_threads_per_core",
            number(processors.and_then(aws_sdk_ec2::types::VCpuInfo::default_threads_per_core)),
        ),
        (
            "memory_size",
            large(it.memory_info().and_then(aws_sdk_ec2::types::MemoryInfo::size_in_mib)),
        ),
        (
            "supported_architectures",
            texts(architectures.unwrap_or_default().iter().map(ArchitectureType::as_str)),
        ),
        (
            "supported_usages_classes",
            texts(it.supported_usage_classes().iter().map(UsageClassType::as_str)),
        ),
        ("burstable_performance_supported", flag(it.burstable_performance_supported())),
        ("current_generation", flag(it.current_generation())),
        ("bare_metal", flag(it.bare_metal())),
        ("free_tier_eligible", flag(it.free_tier_eligible())),
        ("dedicated_hosts_supported", flag(it.dedicated_hosts_supported())),
        ("hypervisor", text(it.hypervisor().map(InstanceTypeHypervisor::as_str))),
        (
            "ebs_nvme_support",
            text(ebs.and_then(|it| it.nvme_support()).map(EbsNvmeSupport::as_str)),
        ),
        (
            "ebs_optimized_support",
            text(ebs.and_then(|it| it.ebs_optimized_support()).map(EbsOptimizedSupport::as_str)),
        ),
        ("instance_storage_supported", flag(it.instance_storage_supported())),
        ("total_instance_storage", large(storage)),
        ("network_performance", text(network.and_then(|it| it.network_performance()))),
        (
            "maximum_network_interfaces",
            number(network.and_then(aws_sdk_ec2::types::NetworkInfo::maximum_network_interfaces)),
        ),
    ])
}
