//! Changes of a machine in place.
//!
//! Invariants: whatever needs it stopped is done while it is stopped once, and it is started again also where that fails;
//! what is as asked for already is not sent again.

use super::launch::profile;
use super::{IPV6, IPV6_COUNT, read};
use crate::arguments::Given;
use crate::client::Session;
use crate::kind::Seen;
use crate::marker::Tags;
use crate::query::filter;
use crate::{compute::wait, tagging};
use aws_sdk_ec2::operation::modify_instance_attribute::builders::ModifyInstanceAttributeFluentBuilder;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, EbsInstanceBlockDeviceSpecification, HttpTokensState,
    InstanceBlockDeviceMappingSpecification, InstanceCreditSpecificationRequest,
    InstanceMetadataEndpointState, InstanceMetadataProtocolState, InstanceMetadataTagsState,
    SecureBlobAttributeValue,
};
use aws_smithy_types::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Value;
use provider::{ErrorClass, Progress, ProviderError, UpdateRequest};

/// A machine on its way from what is recorded to what is asked for.
struct Change<'a> {
    session: &'a Session,
    id: &'a str,
    before: Given<'a>,
    given: Given<'a>,
    progress: &'a dyn Progress,
}

/// See [`crate::kind::Kind::update`].
pub(super) async fn update(
    session: &Session,
    request: &UpdateRequest,
) -> Result<(), ProviderError> {
    let change = Change {
        session,
        id: &request.id,
        before: Given(&request.prior),
        given: Given(&request.arguments),
        progress: request.progress.as_ref(),
    };
    change.attributes().await?;
    change.addresses().await?;
    change.monitoring().await?;
    change.metadata().await?;
    change.profile().await?;
    change.credits().await?;
    tagging::update(session, request).await?;
    change.disks().await?;
    change.stopped().await
}

/// The source and destination check of a machine that was just made, which its launch cannot say.
pub(super) async fn unchecked(session: &Session, id: &str) -> Result<(), ProviderError> {
    let call = session.ec2().await?.modify_instance_attribute().instance_id(id);
    let call = call.source_dest_check(boolean(false));
    session.call("ModifyInstanceAttribute", call.send()).await.map(drop)
}

fn boolean(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

impl Change<'_> {
    fn differs(&self, name: &str) -> bool {
        self.given.differs(self.before, name)
    }

    async fn modify(
        &self,
        with: impl FnOnce(ModifyInstanceAttributeFluentBuilder) -> ModifyInstanceAttributeFluentBuilder,
    ) -> Result<(), ProviderError> {
        let call = self.session.ec2().await?.modify_instance_attribute().instance_id(self.id);
        self.session.call("ModifyInstanceAttribute", with(call).send()).await.map(drop)
    }

    /// One attribute a call: more are not allowed.
    async fn attributes(&self) -> Result<(), ProviderError> {
        if self.differs("vpc_security_group_ids")
            && let Some(groups) = self.given.texts("vpc_security_group_ids")
        {
            self.modify(|call| call.set_groups(Some(groups))).await?;
        }
        if self.differs("source_dest_check") {
            let is_on = self.given.flag("source_dest_check").unwrap_or(true);
            self.modify(|call| call.source_dest_check(boolean(is_on))).await?;
        }
        if self.differs("disable_api_termination") {
            let is_on = self.given.flag("disable_api_termination").unwrap_or_default();
            self.modify(|call| call.disable_api_termination(boolean(is_on))).await?;
        }
        if self.differs("disable_api_stop") {
            let is_on = self.given.flag("disable_api_stop").unwrap_or_default();
            self.modify(|call| call.disable_api_stop(boolean(is_on))).await?;
        }
        let name = "instance_initiated_shutdown_behavior";
        if self.differs(name) {
            let behaviour = self.given.text(name).unwrap_or_else(|| "stop".to_owned());
            let value = AttributeValue::builder().value(behaviour).build();
            self.modify(|call| call.instance_initiated_shutdown_behavior(value)).await?;
        }
        Ok(())
    }

    /// So many IPv6 addresses more, or so many fewer, at its first network interface.
    async fn addresses(&self) -> Result<(), ProviderError> {
        let asked = self.given.number(IPV6_COUNT).filter(|_| self.differs(IPV6_COUNT));
        let Some(wanted) = asked.and_then(|asked| usize::try_from(asked).ok()) else {
            return Ok(());
        };
        let has = self.before.texts(IPV6).unwrap_or_default();
        let interface = self.before.needed("primary_network_interface_id")?;
        let ec2 = self.session.ec2().await?;
        if wanted > has.len() {
            let more = i32::try_from(wanted - has.len()).unwrap_or(i32::MAX);
            let call = ec2.assign_ipv6_addresses().network_interface_id(interface);
            let call = call.ipv6_address_count(more);
            return self.session.call("AssignIpv6Addresses", call.send()).await.map(drop);
        }
        let rest = has[wanted..].to_vec();
        if rest.is_empty() {
            return Ok(());
        }
        let call = ec2.unassign_ipv6_addresses().network_interface_id(interface);
        let call = call.set_ipv6_addresses(Some(rest));
        self.session.call("UnassignIpv6Addresses", call.send()).await.map(drop)
    }

    async fn monitoring(&self) -> Result<(), ProviderError> {
        let wanted = self.given.flag("monitoring").filter(|_| self.differs("monitoring"));
        let Some(is_on) = wanted else { return Ok(()) };
        let ec2 = self.session.ec2().await?;
        if is_on {
            let call = ec2.monitor_instances().instance_ids(self.id);
            return self.session.call("MonitorInstances", call.send()).await.map(drop);
        }
        let call = ec2.unmonitor_instances().instance_ids(self.id);
        self.session.call("UnmonitorInstances", call.send()).await.map(drop)
    }

    async fn metadata(&self) -> Result<(), ProviderError> {
        let blocks = self.given.blocks("metadata_options");
        let Some(block) = blocks.first().filter(|_| self.differs("metadata_options")) else {
            return Ok(());
        };
        let block = Given(block);
        let text = |name| block.text(name);
        let call = self
            .session
            .ec2()
            .await?
            .modify_instance_metadata_options()
            .instance_id(self.id)
            .set_http_endpoint(
                text("http_endpoint").as_deref().map(InstanceMetadataEndpointState::from),
            )
            .set_http_tokens(text("http_tokens").as_deref().map(HttpTokensState::from))
            .set_http_put_response_hop_limit(block.number("http_put_response_hop_limit"))
            .set_http_protocol_ipv6(
                text("http_protocol_ipv6").as_deref().map(InstanceMetadataProtocolState::from),
            )
            .set_instance_metadata_tags(
                text("instance_metadata_tags").as_deref().map(InstanceMetadataTagsState::from),
            );
        self.session.call("ModifyInstanceMetadataOptions", call.send()).await.map(drop)
    }

    /// Its instance profile is an object of its own, which joins it and the profile.
    async fn profile(&self) -> Result<(), ProviderError> {
        if !self.differs("iam_instance_profile") {
            return Ok(());
        }
        let ec2 = self.session.ec2().await?;
        let call = ec2
            .describe_iam_instance_profile_associations()
            .filters(filter("instance-id", [self.id]))
            .filters(filter("state", ["associating", "associated"]));
        let answer = self.session.call("DescribeIamInstanceProfileAssociations", call.send());
        let found = answer.await?.iam_instance_profile_associations.unwrap_or_default().pop();
        let found = found.and_then(|it| it.association_id);
        match (found, self.given.text("iam_instance_profile").map(profile)) {
            (Some(found), Some(profile)) => {
                let call = ec2
                    .replace_iam_instance_profile_association()
                    .association_id(found)
                    .iam_instance_profile(profile);
                let api = "ReplaceIamInstanceProfileAssociation";
                self.session.call(api, call.send()).await.map(drop)
            }
            (Some(found), None) => {
                let call = ec2.disassociate_iam_instance_profile().association_id(found);
                self.session.call("DisassociateIamInstanceProfile", call.send()).await.map(drop)
            }
            (None, Some(profile)) => {
                let call = ec2
                    .associate_iam_instance_profile()
                    .instance_id(self.id)
                    .iam_instance_profile(profile);
                self.session.call("AssociateIamInstanceProfile", call.send()).await.map(drop)
            }
            (None, None) => Ok(()),
        }
    }

    async fn credits(&self) -> Result<(), ProviderError> {
        let blocks = self.given.blocks("credit_specification");
        let credits = blocks.first().and_then(|block| Given(block).text("cpu_credits"));
        let Some(credits) = credits.filter(|_| self.differs("credit_specification")) else {
            return Ok(());
        };
        let wanted = InstanceCreditSpecificationRequest::builder()
            .instance_id(self.id)
            .cpu_credits(credits)
            .build();
        let call = self
            .session
            .ec2()
            .await?
            .modify_instance_credit_specification()
            .instance_credit_specifications(wanted);
        self.session.call("ModifyInstanceCreditSpecification", call.send()).await.map(drop)
    }

    async fn seen(&self) -> Result<Seen, ProviderError> {
        let seen = self.session.look(super::NAME, self.id).await?;
        seen.filter(|seen| !seen.phase.is_over()).ok_or_else(|| {
            let message = format!("the machine `{}` is gone", self.id);
            ProviderError::new(ErrorClass::NotFound, message)
        })
    }

    async fn disks(&self) -> Result<(), ProviderError> {
        let names = ["root_block_device", "ebs_block_device", "volume_tags"];
        if !names.iter().any(|name| self.differs(name)) {
            return Ok(());
        }
        let seen = self.seen().await?;
        let devices = read::devices(&seen);
        if self.differs("volume_tags") {
            let all = |given: Given<'_>| {
                let mut tags: Tags = self.session.configuration.default_tags.clone();
                tags.extend(given.map("volume_tags").unwrap_or_default());
                tags
            };
            let volumes = devices.iter().map(|device| device.volume.clone()).collect();
            let (before, now) = (all(self.before), all(self.given));
            tagging::bring(self.session, volumes, &before, &now).await?;
        }
        if let (Some(block), Some(device)) =
            (self.given.blocks("root_block_device").first(), read::root(&seen))
        {
            self.disk(&device, block).await?;
        }
        for block in self.given.blocks("ebs_block_device") {
            let name = Given(&block).text("device_name");
            let device = devices.iter().find(|device| Some(&device.name) == name.as_ref());
            if let Some(device) = device {
                self.disk(device, &block).await?;
            }
        }
        Ok(())
    }

    async fn disk(&self, device: &read::Device, block: &Value) -> Result<(), ProviderError> {
        let given = Given(block);
        let is_deleted_with = given.flag("delete_on_termination");
        if let Some(wanted) = is_deleted_with.filter(|wanted| *wanted != device.is_deleted_with) {
            let ebs = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(wanted);
            let mapping = InstanceBlockDeviceMappingSpecification::builder()
                .device_name(&device.name)
                .ebs(ebs.build())
                .build();
            self.modify(|call| call.block_device_mappings(mapping)).await?;
        }
        let wanted = crate::compute::volume::Measures {
            size: given.number("volume_size"),
            ty: given.text("volume_type"),
            iops: given.number("iops"),
            throughput: given.number("throughput"),
        };
        crate::compute::volume::change(self.session, &device.volume, wanted, self.progress).await
    }

    /// What needs it stopped, and that it runs at the end.
    async fn stopped(&self) -> Result<(), ProviderError> {
        let is_typed = self.differs("instance_type");
        let is_told = self.differs("user_data") || self.differs("user_data_base64");
        let is_well = self.before.text("instance_state").as_deref() == Some("running");
        if !is_typed && !is_told && is_well {
            return Ok(());
        }
        let state = |seen: &Seen| {
            seen.attributes.get("instance_state").and_then(Value::as_str).map(str::to_owned)
        };
        let seen = self.seen().await?;
        let ty = seen.attributes.get("instance_type").and_then(Value::as_str);
        let wanted = self.given.text("instance_type");
        let ty = wanted.filter(|wanted| is_typed && ty != Some(wanted.as_str()));
        let data = if is_told { self.other_user_data().await? } else { None };
        let mut is_running = state(&seen).as_deref() == Some("running");
        let mut changed = Ok(());
        if ty.is_some() || data.is_some() || state(&seen).as_deref() == Some("stopping") {
            self.stop(&seen).await?;
            is_running = false;
            changed = self.while_stopped(ty, data).await;
        }
        if !is_running {
            self.start().await?;
        }
        changed
    }

    /// The user data asked for, unless it has it.
    async fn other_user_data(&self) -> Result<Option<Vec<u8>>, ProviderError> {
        let encoded = self.given.text("user_data_base64");
        let decoded = encoded.map(|encoded| STANDARD.decode(encoded).unwrap_or_default());
        let wanted = self.given.text("user_data").map(String::into_bytes).or(decoded);
        let wanted = wanted.unwrap_or_default();
        let found = read::user_data(self.session, self.id).await?;
        let found = STANDARD.decode(found).unwrap_or_default();
        Ok(Some(wanted).filter(|wanted| *wanted != found))
    }

    async fn while_stopped(
        &self,
        ty: Option<String>,
        data: Option<Vec<u8>>,
    ) -> Result<(), ProviderError> {
        if let Some(ty) = ty {
            self.progress.step(&format!("changing its type to {ty}"));
            let value = AttributeValue::builder().value(ty).build();
            self.modify(|call| call.instance_type(value)).await?;
        }
        if let Some(data) = data {
            self.progress.step("changing its user data");
            let value = SecureBlobAttributeValue::builder().value(Blob::new(data)).build();
            self.modify(|call| call.user_data(value)).await?;
        }
        Ok(())
    }

    async fn stop(&self, seen: &Seen) -> Result<(), ProviderError> {
        let is_in = |seen: &Seen, wanted: &str| {
            seen.attributes.get("instance_state").and_then(Value::as_str) == Some(wanted)
        };
        if is_in(seen, "stopped") {
            return Ok(());
        }
        if !is_in(seen, "stopping") {
            let call = self.session.ec2().await?.stop_instances().instance_ids(self.id);
            self.session.call("StopInstances", call.send()).await?;
        }
        self.progress.step("waiting until it is stopped");
        wait::until(self.session, super::NAME, self.id, |seen| is_in(seen, "stopped")).await
    }

    async fn start(&self) -> Result<(), ProviderError> {
        let call = self.session.ec2().await?.start_instances().instance_ids(self.id);
        self.session.call("StartInstances", call.send()).await?;
        self.progress.step("waiting until it runs");
        let runs = |seen: &Seen| {
            seen.attributes.get("instance_state").and_then(Value::as_str) == Some("running")
        };
        wait::until(self.session, super::NAME, self.id, runs).await
    }
}
