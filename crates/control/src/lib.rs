//! The control plane: commands, work loop, placement, and what each host should hold. It reads and writes its database and
//! nothing else; machines are touched only by agents, which it meets through host documents and reports.

mod access_key_use;
mod account;
mod account_alias;
mod action;
mod address;
mod audit;
mod auth;
mod bandwidth;
mod bandwidth_package;
mod capacity_reservation;
mod capacity_slot;
mod clock;
mod cloud;
mod console;
mod deletion_protection;
mod describe;
mod dhcp_options;
mod disk_backup;
mod disk_encryption;
mod egress_only_gateway;
mod fleet;
mod flow_log;
mod gateway;
mod holder;
mod host;
mod host_names;
mod host_network;
mod hosts;
mod identities;
mod identity_tag;
mod ids;
mod image;
mod image_task;
mod instance;
mod instance_event;
mod instance_fleet;
mod instance_fleet_work;
mod instance_key;
mod instance_move;
mod instance_profile;
mod instance_role;
mod instances;
mod interface;
mod interface_plug;
mod interface_view;
mod ipv6;
mod ipv6_bandwidth;
mod ipv6_gateway;
mod ipv6_route;
mod key_pair;
mod kms_key;
mod launch;
mod launch_nics;
mod launch_place;
mod launch_template;
mod lifecycle;
mod log_group;
mod machine;
mod manifest;
mod many;
mod mfa_device;
mod nat_gateway;
mod nat_gateway_record;
mod nat_home;
mod nat_rule;
mod neighbours;
mod network;
mod network_acl;
mod network_acl_edit;
mod network_path;
mod order;
mod overview;
mod password;
mod permission;
mod permission_boundary;
pub mod placement;
mod placement_group;
mod policy_entity;
mod policy_simulation;
mod prefix_list;
mod private_address;
mod putty_key;
mod quota;
mod reachability;
mod report;
mod request_limit;
mod role;
mod roll_back;
mod root_volume;
mod route;
mod routes;
mod run;
mod seal;
mod security_group;
mod security_group_reference;
mod security_group_rules;
mod service_access;
mod session;
mod snapshot;
mod snapshot_copy;
mod snapshot_group;
mod snapshot_policy;
mod snapshot_trial;
mod ssh_key;
mod stray;
mod subnet;
mod tag;
mod timed_release;
mod traffic;
mod type_change;
mod upload;
mod user;
mod user_group;
mod uses;
mod volume;
mod volume_view;
mod vpc_gateway;
mod vpc_peering;
mod vpc_peering_record;
mod vpc_range;
mod work;

pub use account::NewAccessKey;
pub use account_alias::{CreateAccountAlias, DeleteAccountAlias};
pub use address::{
    AddressRef, AllocateAddress, AssociateAddress, AssociateTo, DisassociateAddress, GivePublicAddress, GivesWay, ModifyAddress,
    ReleaseAddress,
};
pub use audit::{Attribute, AuditState, Lookup, Trail, is_read_only};
pub use auth::{Caller, OpenedSession, Principal, Target, Who};
pub use bandwidth::ModifyInstanceBandwidth;
pub use bandwidth_package::{BandwidthPackageView, CreateBandwidthPackage, DeleteBandwidthPackage, ModifyBandwidthPackage, PackAddress};
pub use capacity_reservation::{
    CancelCapacityReservation, CapacityReservationView, ChooseCapacity, CreateCapacityReservation, ModifyCapacityReservation,
};
pub use clock::Clock;
pub use cloud::{Cloud, Failure, Region};
pub use console::{ConsoleOutput, ReadConsole};
pub use deletion_protection::{Protectable, SetDeletionProtection};
pub use describe::{
    AddressView, FILTER_VALUES_MAX, FILTERS_MAX, Field, Filter, IDS_MAX, InstanceView, Listed, Listing, PAGE_MAX, Page, Query, literal,
};
pub use dhcp_options::{AssociateDhcpOptions, CreateDhcpOptions, DeleteDhcpOptions, DhcpOptionsView, HeldOptions, ModifyDhcpOptions};
pub use disk_backup::{CreateDiskBackup, DeleteDiskBackup, RollBackToBackup, SetBackupQuota};
pub use disk_encryption::{DefaultKeyChoice, DiskEncryptionView, SetDiskEncryption};
pub use egress_only_gateway::{CreateEgressOnlyGateway, DeleteEgressOnlyGateway};
pub use flow_log::{CreateFlowLogs, DeleteFlowLogs, DisableFlowLogs, EnableFlowLogs, ModifyFlowLog};
pub use gateway::{AttachInternetGateway, CreateInternetGateway, DeleteInternetGateway, DetachInternetGateway};
pub use holder::Holder;
pub use host::{NewHost, instance_of_uuid, system_uuid};
pub use hosts::{InviteHost, Invited, JoinRefusal};
pub use identities::Identities;
pub use identity_tag::{IdentityName, TagIdentity, UntagIdentity};
pub use ids::Ids;
pub use image::{CopyImage, CreateImage, DeregisterImage, EnableImage, ModifyImage, NewImage, RegisterImage};
pub use image_task::{CancelImageTask, ExportImage, FurtherDisks, ImportDisk, ImportInto};
pub use instance::{
    ModifyInstance, MonitorInstances, RebootInstances, StartInstances, StateChange, StopInstances, Strictly, TerminateInstances,
};
pub use instance_event::{
    AcceptInstanceEvent, CancelRehearsedEvents, EventTarget, NewInstanceEvent, RehearseInstanceEvents, RescheduleInstanceEvent,
};
pub use instance_fleet::{
    CreateInstanceFleet, DeleteInstanceFleet, FleetMade, FleetMemberView, InstanceFleetView, Launches, ModifyInstanceFleet, OneOf,
};
pub use instance_key::{ChangeInstanceKey, KeyChange};
pub use instance_move::MoveInstance;
pub use instance_profile::{AddRoleToProfile, CreateInstanceProfile, DeleteInstanceProfile, RemoveRoleFromProfile};
pub use instance_role::{InstanceRoleView, RoleBefore, SetInstanceRole};
pub use interface::{CreateInterface, DeleteInterface, ModifyInterface, NewInterface};
pub use interface_plug::{AttachInterface, DetachInterface, MoveInterface, Plugged};
pub use interface_view::InterfaceView;
pub use ipv6::{
    AssignIpv6Addresses, AssociateSubnetIpv6, AssociateVpcIpv6, DisassociateSubnetIpv6, DisassociateVpcIpv6, UnassignIpv6Addresses,
    WantedIpv6,
};
pub use ipv6_bandwidth::{
    AllocateIpv6Bandwidth, CreateEgressOnlyRule, DeleteEgressOnlyRule, DeleteIpv6Bandwidth, EGRESS_ONLY_RULES_MAX, Ipv6AddressView,
    ModifyIpv6Bandwidth, WhichBandwidth,
};
pub use ipv6_gateway::{CreateIpv6Gateway, DeleteIpv6Gateway, ModifyIpv6Gateway};
pub use ipv6_route::{ChangeIpv6Route, Ipv6Destination, Ipv6RouteChange};
pub use key_pair::{DeleteKeyPair, ImportKeyPair, KeyFormat, KeyPairRef, ModifyKeyPair, NewKeyPair};
pub use kms_key::{ChangeKmsKey, CreateKmsKey, DeleteKmsAlias, KmsKeyChange};
pub use launch::{LAUNCH_MAX, Launched, RunInstances, default_hostname};
pub use launch_nics::{FurtherNic, LaunchNics, WhichNic};
pub use launch_template::{
    CreateLaunchTemplate, CreateLaunchTemplateVersion, DeleteLaunchTemplate, DeleteLaunchTemplateVersion, ModifyLaunchTemplate,
    TemplateRef, VersionView,
};
pub use lifecycle::{ChangeLifecycleTags, CreateLifecycle, DeleteLifecycle, ModifyLifecycle};
pub use log_group::{
    DeleteLogGroup, LOG_STREAMS_NAMED, LogEvent, LogGroupView, LogPage, LogPlace, LogQuestion, SetLogRetention, log_group_fits,
};
pub use manifest::ManifestsNeeded;
pub use many::Many;
pub use mfa_device::{DeactivateMfaDevice, DeleteMfaDevice, EnableMfaDevice, MfaCode, ResyncMfaDevice};
pub use model::NewVolume;
pub use nat_gateway::{
    AssociateNatAddresses, CreateNatGateway, DeleteNatGateway, DisassociateNatAddresses, FirstNatAddress, ModifyNatGateway, NatDeletion,
    NatGatewayView, NatPlace, NewAddresses,
};
pub use nat_gateway_record::NatGatewayRecord;
pub use nat_rule::{
    CreateNatForwards, CreateNatSources, DeleteNatForwards, DeleteNatSources, ModifyNatForward, ModifyNatSource, NatForwardRef,
    NatSourceOf, NewNatForward, NewNatSource,
};
pub use network::{CreateDefaultVpc, CreateVpc, DeleteVpc, ModifyVpc};
pub use network_acl::{
    AclChange, AclSubnet, AssociateNetworkAcl, ChangeAclEntry, CreateNetworkAcl, DeleteNetworkAcl, DisassociateNetworkAcl,
    ModifyNetworkAcl, NetworkAclView, NewAclEntry, SetAclEntries,
};
pub use network_acl_edit::{AclEdit, EditAclEntries};
pub use network_path::{AnalyzeNetworkPath, CreateNetworkPath, DeleteNetworkPath, DeletePathAnalysis};
pub use order::{Order, OrderKey};
pub use overview::Overview;
pub use password::hash as hash_password;
pub use permission::{
    AttachPolicy, ChangePolicyVersion, CreatePolicy, DeletePolicy, Held, HeldPolicy, POLICIES_MAX, PolicyName, PolicyUse, PutPolicy,
    RemovePolicy, Ties, UpdatePolicy, VersionChange,
};
pub use permission_boundary::SetBoundary;
pub use placement_group::{CreatePlacementGroup, DeletePlacementGroups, ModifyPlacementGroup, MoveToPlacementGroup, PlacementGroupView};
pub use policy_entity::PolicyEntity;
pub use policy_simulation::{PolicySource, SimulatePolicies, Simulated};
pub use prefix_list::{CreatePrefixList, DeletePrefixList, ModifyPrefixList, PrefixEdit, PrefixListView};
pub use private_address::{AssignPrivateAddresses, PRIVATE_ADDRESSES_MAX, UnassignPrivateAddresses, Wanted};
pub use quota::{QuotaView, RequestQuota};
pub use reachability::{Proposal, ProposedChange};
pub use role::{AssumeRole, CreateRole, DeleteRole, ROLES_MAX, TEMPORARY_PREFIX, TemporaryKey, TokenError, UpdateRole};
pub use roll_back::{AroundRollBack, RollBackVolume};
pub use root_volume::{GuestAccess, Needed, OldRoot, ReinitVolumes, ReplaceRoot, Replaced, RootSource};
pub use route::{
    AssociateRouteTable, ChangeRoute, CreateRouteTable, DeleteRouteTable, DisassociateRouteTable, ModifyRouteTable,
    ReplaceRouteTableAssociation, RouteChange, RouteDestination, RouteTie,
};
pub use routes::RouteTableView;
pub use run::{Command, Cx, Options};
pub use seal::{MASTER_KEY_LEN, MasterKey, SealError};
pub use security_group::{
    CreateSecurityGroup, DeleteSecurityGroup, GroupNature, Membership, ModifySecurityGroup, SetInnerAccess, SetSecurityGroups,
};
pub use security_group_reference::{GroupOwners, GroupReference, GroupUse, StaleGroup};
pub use security_group_rules::{
    AuthorizeSecurityGroup, ModifySecurityGroupRules, NewRule, ReplaceSecurityGroupRules, RevokeSecurityGroup, WhichRules,
};
pub use session::{OpenSession, SessionTarget};
pub use snapshot::{DeleteSnapshot, ModifySnapshot, ShareSnapshot, SnapshotOf, TakeSnapshots};
pub use snapshot_copy::CopySnapshot;
pub use snapshot_group::{CreateSnapshotGroup, DeleteSnapshotGroup, ModifySnapshotGroup, RollBackToGroup, SnapshotGroupView};
pub use snapshot_policy::{CreateSnapshotPolicy, DeleteSnapshotPolicy, ModifySnapshotPolicy, PolicyTie, TieSnapshotPolicy};
pub use stray::Stray;
pub use subnet::{CreateDefaultSubnet, CreateSubnet, DeleteSubnet, ModifySubnet};
pub use tag::{CreateTags, DeleteTags, TAGGED_PER_CALL, WhichTags};
pub use timed_release::SetInstanceRelease;
pub use traffic::{TRAFFIC_PERIODS_MAX, TrafficPeriod, TrafficQuestion};
pub use type_change::{ChangeInstanceType, TypeChoice, WhileRunning};
pub use upload::{BlockAnswer, BlockKeeper, BlockQuestion, ListedBlock, PutBlock, SealUpload, StartUpload};
pub use user::{CreateUser, DeleteAccessKey, DeleteUser, USERS_MAX, UpdateAccessKey, UpdateUser};
pub use user_group::{CreateUserGroup, DeleteUserGroup, SetMembership, USER_GROUPS_MAX, UpdateUserGroup};
pub use uses::{UsedImage, UsedSnapshot};
pub use volume::{AttachVolume, CreateVolume, DeleteVolume, DetachVolume, GrowVolume, ModifyVolumes};
pub use volume_view::VolumeView;
pub use vpc_gateway::{CreateVpcGateway, DeleteVpcGateway, EnableVpcGateway, GATEWAY_TABLES_MAX, ModifyVpcGateway};
pub use vpc_peering::{ChangeVpcPeering, CreateVpcPeering, ModifyVpcPeering, PeeringChange, PeeringManner};
pub use vpc_peering_record::VpcPeeringRecord;
pub use vpc_range::{ChangeVpcRanges, CheckVpcRanges, PrivateBlocks};
