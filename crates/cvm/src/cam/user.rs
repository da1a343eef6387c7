//! Sub-users.

use control::{CreateUser, DeleteUser as Delete, Ties, UpdateUser as Update, Who};
use model::{User, UserDetails};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::at;
use crate::Cx;
use crate::account::Nothing;
use crate::error::Fault;

/// Most sub-users that `DescribeSubAccounts` asks for (CAM documents 50).
const DESCRIBED_MAX: usize = 50;
/// Parameters of users that CAM has and this cloud has not: there is no console to log in to.
pub(crate) const ABSENT: &[&str] = &["ConsoleLogin", "NeedResetPassword", "Password"];

/// `AddUser`.
#[derive(FromArg)]
pub(crate) struct AddUser {
    name: String,
    #[arg(default)]
    remark: String,
    #[arg(default, range = 0..=1)]
    use_api: u8,
    #[arg(default)]
    phone_num: String,
    #[arg(default)]
    country_code: String,
    #[arg(default)]
    email: String,
}

#[derive(Show)]
pub(crate) struct Added {
    uin: u64,
    name: String,
    password: &'static str,
    secret_id: String,
    secret_key: String,
    uid: u64,
}

/// Makes a user, with an access key if one is asked for; the reply has the only copy of its secret.
pub(crate) async fn add(cx: &Cx<'_>, asked: AddUser) -> Result<Added, Fault> {
    let AddUser { name, remark, use_api, phone_num, country_code, email } = asked;
    let details = UserDetails { display_name: String::new(), comments: remark, country_code, phone: phone_num, email };
    let command = CreateUser { name, details, ..CreateUser::default() };
    let (user, secret_id, secret_key) = match use_api {
        0 => (cx.cloud.run(&cx.caller, command, cx.options()).await?, String::new(), String::new()),
        _ => {
            let (user, key) = cx.cloud.create_user_with_key(&cx.caller, command).await?;
            (user, key.id, key.secret.expose_secret().to_owned())
        }
    };
    Ok(Added { uin: user.number(), uid: user.number(), name: user.name, password: "", secret_id, secret_key })
}

/// The parameter of calls on one user.
#[derive(FromArg)]
pub(crate) struct One {
    name: String,
}

#[derive(Show)]
pub(crate) struct Shown {
    uin: u64,
    name: String,
    uid: u64,
    remark: String,
    console_login: u8,
    phone_num: String,
    country_code: String,
    email: String,
    #[reply(name = "RecentlyLoginIP")]
    recently_login_ip: &'static str,
    recently_login_time: &'static str,
}

/// Shows a user.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    let user = cx.cloud.user(&cx.caller, Some(asked.name)).await?;
    let (uin, UserDetails { comments, country_code, phone, email, .. }) = (user.number(), user.details);
    Ok(Shown {
        uin,
        name: user.name,
        uid: uin,
        remark: comments,
        console_login: 0,
        phone_num: phone,
        country_code,
        email,
        recently_login_ip: "",
        recently_login_time: "",
    })
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Users {
    data: Vec<UserReply>,
}

#[derive(Show)]
struct UserReply {
    uin: u64,
    name: String,
    uid: u64,
    remark: String,
    console_login: u8,
    phone_num: String,
    country_code: String,
    email: String,
    create_time: String,
    nick_name: String,
}

/// Lists the users.
pub(crate) async fn list(cx: &Cx<'_>, _: Nothing) -> Result<Users, Fault> {
    let reply = |user: User| UserReply {
        uin: user.number(),
        uid: user.number(),
        nick_name: user.name.clone(),
        name: user.name,
        remark: user.details.comments,
        console_login: 0,
        phone_num: user.details.phone,
        country_code: user.details.country_code,
        email: user.details.email,
        create_time: at(user.created_at),
    };
    Ok(Users { data: cx.cloud.users(&cx.caller).await?.into_iter().map(reply).collect() })
}

/// `UpdateUser`.
#[derive(FromArg)]
pub(crate) struct UpdateUser {
    name: String,
    remark: Option<String>,
    phone_num: Option<String>,
    country_code: Option<String>,
    email: Option<String>,
}

/// Changes what is said of a user.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateUser) -> Result<(), Fault> {
    let UpdateUser { name, remark: comments, phone_num: phone, country_code, email } = asked;
    let command = Update { name, comments, country_code, phone, email, ..Update::default() };
    cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(())
}

/// `DeleteUser`.
#[derive(FromArg)]
pub(crate) struct DeleteUser {
    name: String,
    #[arg(default, range = 0..=1)]
    force: u8,
}

/// Deletes a user with its policies; its access keys must be gone, or go too when that is asked for.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteUser) -> Result<(), Fault> {
    let keys = if asked.force == 0 { Ties::MustBeGone } else { Ties::GoToo };
    Ok(cx.cloud.run(&cx.caller, Delete { name: asked.name, ties: Ties::GoToo, keys }, cx.options()).await?)
}

/// `DescribeSubAccounts`.
#[derive(FromArg)]
pub(crate) struct DescribeSubAccounts {
    #[arg(max_items = DESCRIBED_MAX)]
    filter_sub_account_uin: Vec<u64>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct SubAccounts {
    sub_accounts: Vec<SubAccount>,
}

#[derive(Show)]
struct SubAccount {
    uin: u64,
    name: String,
    uid: u64,
    remark: String,
    create_time: String,
    /// 2: a sub-user.
    user_type: u8,
    last_login_ip: &'static str,
}

/// Shows the users of these numbers; those that nobody has are passed over.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSubAccounts) -> Result<SubAccounts, Fault> {
    if asked.filter_sub_account_uin.is_empty() {
        return Err(Fault::missing("FilterSubAccountUin"));
    }
    let users = cx.cloud.users(&cx.caller).await?;
    let found = users.into_iter().filter(|user| asked.filter_sub_account_uin.contains(&user.number()));
    let reply = |user: User| SubAccount {
        uin: user.number(),
        uid: user.number(),
        name: user.name,
        remark: user.details.comments,
        create_time: at(user.created_at),
        user_type: 2,
        last_login_ip: "",
    };
    Ok(SubAccounts { sub_accounts: found.map(reply).collect() })
}

#[derive(Show)]
pub(crate) struct AppId {
    uin: String,
    owner_uin: String,
    app_id: u64,
}

/// Tells the numbers of the caller and of the account, which stands for the application's too.
pub(crate) async fn app_id(cx: &Cx<'_>, _: Nothing) -> Result<AppId, Fault> {
    cx.allowed().await?;
    let account = cx.caller.account();
    let uin = match &cx.caller.principal.who {
        Who::Root(_) => account.to_string(),
        Who::User { number, .. } => number.to_string(),
        Who::Session { role, .. } => role.as_u64().to_string(),
    };
    Ok(AppId { uin, owner_uin: account.to_string(), app_id: account.as_u64() })
}
