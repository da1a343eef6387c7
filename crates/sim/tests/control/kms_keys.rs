//! Keys of accounts: what hosts are told of the disks under them, and what is refused, from their making to their end.

use control::{
    AttachVolume, ChangeKmsKey, CopySnapshot, CreateKmsKey, CreateVolume, KmsKeyChange, Options, RunInstances, SetDiskEncryption,
    ShareSnapshot,
};
use hostspec::{DiskKey, DiskKeys, VolumeGoal};
use model::{
    DataKey, EncryptionChoice, Error, Gib, KmsKey, KmsKeyId, KmsKeyRef, Noun, Provisioned, ShareChange, SnapshotId, Tags, Volume, VolumeId,
    VolumeKind,
};

use crate::world::{World, launch};

const DAY: i64 = 86_400_000;

fn volume(choice: EncryptionChoice, snapshot: Option<SnapshotId>) -> CreateVolume {
    CreateVolume {
        zone: "sim-1b".to_owned(),
        snapshot,
        encryption: choice,
        size: Some(Gib(2)),
        kind: VolumeKind::Fast,
        provisioned: Provisioned::default(),
        name: String::new(),
        description: String::new(),
        deletes_auto_snapshots: false,
        shared: false,
        tags: Tags::new(),
    }
}

fn under(key: KmsKeyId) -> EncryptionChoice {
    EncryptionChoice { encrypted: Some(true), key: Some(KmsKeyRef::Id(key)) }
}

impl World {
    async fn new_key(&self) -> KmsKey {
        let command = CreateKmsKey { description: String::new(), tags: Tags::new() };
        self.cloud.run(&self.root().await, command, Options::default()).await.unwrap()
    }

    async fn change_key(&self, key: KmsKeyId, change: KmsKeyChange) -> Result<KmsKey, Error> {
        self.cloud.run(&self.root().await, ChangeKmsKey { key: KmsKeyRef::Id(key), change }, Options::default()).await
    }

    async fn new_volume(&mut self, choice: EncryptionChoice, snapshot: Option<SnapshotId>) -> Volume {
        let made = self.cloud.run(&self.root().await, volume(choice, snapshot), Options::default()).await.unwrap();
        self.settle().await;
        made
    }

    async fn attach_to_one(&mut self, volume: VolumeId) -> Result<Volume, Error> {
        let root = self.root().await;
        let zone = Some("sim-1b".to_owned());
        let wanted = RunInstances { zone, ..launch(self.image, 1, 1) };
        let instance = self.cloud.run(&root, wanted, Options::default()).await.unwrap().instances[0];
        self.settle().await;
        let attach = AttachVolume { volume, instance, device: None, delete_on_termination: false };
        self.cloud.run(&root, attach, Options::default()).await
    }

    /// What the host of a volume is told of its keys.
    async fn told(&self, volume: VolumeId) -> DiskKeys {
        for host in 0..self.ids.len() {
            let document = self.document(host).await;
            if let Some(found) = document.volumes.iter().find(|known| known.id == volume) {
                let VolumeGoal::Present { keys, .. } = &found.goal else { panic!("it is being deleted") };
                return keys.clone();
            }
        }
        panic!("no host knows {volume}");
    }
}

fn here(key: &Option<DiskKey>) -> DataKey {
    key.as_ref().expect("it is encrypted").data_key().expect("it may be opened").clone()
}

#[tokio::test]
async fn hosts_are_told_of_keys_while_they_are_enabled_and_runs_go_on() {
    let mut world = World::new(2, 1).await;
    let key = world.new_key().await;
    let made = world.new_volume(under(key.id), None).await;
    let data_key = here(&world.told(made.id).await.own);
    assert!(world.told(made.id).await.under.is_none());
    // The same after a restart, and after a rotation, which is for disks to come.
    world.crash();
    assert_eq!(here(&world.told(made.id).await.own), data_key);
    world.change_key(key.id, KmsKeyChange::Rotate).await.unwrap();
    let later = world.new_volume(under(key.id), None).await;
    assert_eq!((made.encryption.unwrap().version, later.encryption.as_ref().unwrap().version), (0, 1));
    assert_eq!(here(&world.told(made.id).await.own), data_key);
    assert_ne!(here(&world.told(later.id).await.own), data_key);
    world.change_key(key.id, KmsKeyChange::Disable).await.unwrap();
    assert_eq!(world.told(made.id).await.own, Some(DiskKey::Withheld));
    let refused = world.attach_to_one(made.id).await;
    assert!(matches!(refused, Err(Error::IncorrectState { noun: Noun::KmsKey, state: "disabled", .. })), "{refused:?}");
    let refused = world.cloud.run(&world.root().await, volume(under(key.id), None), Options::default()).await;
    assert!(matches!(refused, Err(Error::IncorrectState { noun: Noun::KmsKey, .. })), "{refused:?}");
    world.change_key(key.id, KmsKeyChange::Enable).await.unwrap();
    assert_eq!(here(&world.told(made.id).await.own), data_key);
}

#[tokio::test]
async fn a_key_that_is_deleted_takes_what_it_wraps_with_it() {
    let mut world = World::new(2, 2).await;
    let key = world.new_key().await;
    let made = world.new_volume(under(key.id), None).await;
    world.change_key(key.id, KmsKeyChange::ScheduleDeletion { days: 7 }).await.unwrap();
    assert_eq!(world.told(made.id).await.own, Some(DiskKey::Withheld));
    world.wait(6 * DAY);
    world.settle().await;
    world.change_key(key.id, KmsKeyChange::CancelDeletion).await.unwrap();
    world.wait(2 * DAY);
    world.settle().await;
    assert_eq!(world.cloud.kms_keys().await.unwrap().len(), 1, "it was called off");
    world.change_key(key.id, KmsKeyChange::ScheduleDeletion { days: 7 }).await.unwrap();
    world.wait(7 * DAY);
    world.settle().await;
    assert_eq!(world.cloud.kms_keys().await.unwrap(), vec![]);
    assert_eq!(world.told(made.id).await.own, Some(DiskKey::Withheld));
    let refused = world.attach_to_one(made.id).await;
    assert!(matches!(refused, Err(Error::NotFound { noun: Noun::KmsKey, .. })), "{refused:?}");
    // Another account's key is as good as none.
    let other = world.new_key().await;
    let key = world.cloud.account_create("other").await.unwrap();
    let stranger = world.caller(&key.id).await;
    let refused = world.cloud.run(&stranger, volume(under(other.id), None), Options::default()).await;
    assert!(matches!(refused, Err(Error::NotFound { noun: Noun::KmsKey, .. })), "{refused:?}");
    let change = ChangeKmsKey { key: KmsKeyRef::Id(other.id), change: KmsKeyChange::Disable };
    let refused = world.cloud.run(&stranger, change, Options::default()).await;
    assert!(matches!(refused, Err(Error::NotFound { noun: Noun::KmsKey, .. })), "{refused:?}");
}

#[tokio::test]
async fn snapshots_and_disks_of_them_share_the_data_key_of_one_key_alone() {
    let mut world = World::new(2, 3).await;
    let (key, other) = (world.new_key().await, world.new_key().await);
    let made = world.new_volume(under(key.id), None).await;
    let data_key = here(&world.told(made.id).await.own);
    let snapshot = world.snapshot(made.id).await;
    assert_eq!(snapshot.encryption, made.encryption);
    let same = world.new_volume(EncryptionChoice::default(), Some(snapshot.id)).await;
    let told = world.told(same.id).await;
    assert_eq!((here(&told.own), here(&told.under)), (data_key.clone(), data_key.clone()));
    let apart = world.new_volume(under(other.id), Some(snapshot.id)).await;
    let told = world.told(apart.id).await;
    assert_eq!(here(&told.under), data_key);
    assert_ne!(here(&told.own), data_key);
    // Nobody else may use the key, so the snapshot is not shared.
    let with = world.cloud.account_create("other").await.unwrap().account;
    let share = ShareSnapshot { snapshot: snapshot.id, change: ShareChange { add: vec![with], ..ShareChange::default() } };
    let refused = world.cloud.run(&world.root().await, share, Options::default()).await;
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    // A copy under the same key is there at once, one under another is stored anew.
    let copy = |choice| CopySnapshot { snapshot: snapshot.id, name: None, encryption: choice, description: None, tags: Tags::new() };
    let root = world.root().await;
    let at_once = world.cloud.snapshot_copy(&root, copy(EncryptionChoice::default()), Options::default()).await.unwrap();
    assert_eq!((at_once.contents().is_ok(), &at_once.encryption), (true, &snapshot.encryption));
    let anew = world.cloud.snapshot_copy(&root, copy(under(other.id)), Options::default()).await.unwrap();
    assert!(anew.contents().is_err() && anew.under == snapshot.manifest && anew.under_encryption == snapshot.encryption);
    assert_eq!(world.cloud.uploads_sealed().await.unwrap(), vec![anew.id]);
    let (sealed_under, from) = world.cloud.upload_keys(&anew).await.unwrap();
    assert!(from == Some(data_key) && sealed_under.is_some() && sealed_under != from);
}

#[tokio::test]
async fn switched_on_for_an_account_every_new_disk_is_encrypted() {
    let mut world = World::new(2, 4).await;
    let root = world.root().await;
    let plain = world.new_volume(EncryptionChoice::default(), None).await;
    assert!(plain.encryption.is_none() && world.told(plain.id).await.is_none());
    let key = EncryptionChoice { encrypted: None, key: Some(KmsKeyRef::Alias("alias/aws/ebs".to_owned())) };
    let refused = world.cloud.run(&root, volume(key, None), Options::default()).await;
    assert!(matches!(refused, Err(Error::InvalidCombination { .. })), "{refused:?}");
    let on = SetDiskEncryption { encrypts: Some(true), key: None };
    let view = world.cloud.run(&root, on, Options::default()).await.unwrap();
    let default = view.key.unwrap();
    let no = EncryptionChoice { encrypted: Some(false), key: None };
    let made = world.new_volume(no, None).await;
    assert_eq!(made.encryption.as_ref().map(|encryption| encryption.key), Some(default));
    let launched = world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap().instances[0];
    let volumes = world.store.read(move |tx| tx.volume_list_of_instance(launched)).await.unwrap();
    assert!(volumes.iter().all(|volume| volume.encryption.is_some()), "{volumes:?}");
    let snapshot = world.snapshot(plain.id).await;
    assert_eq!(snapshot.encryption, None);
    let of_plain = world.new_volume(EncryptionChoice::default(), Some(snapshot.id)).await;
    let told = world.told(of_plain.id).await;
    assert!(told.own.is_some() && told.under.is_none(), "over plain bytes, encrypted");
}
