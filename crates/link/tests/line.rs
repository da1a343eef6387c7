//! The two ends of a line over loopback: who gets in, as whom, and who does not.

use std::net::SocketAddr;
use std::sync::Arc;

use model::HostId;
use pileus_link::{
    Answer, Authority, Identity, Knock, Line, LinkError, ObjectName, Objects, Purpose, Refusal, Settings, ToHost, ToServer, Token, accept,
    connect, join,
};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const HOST: u64 = 7;

/// A server that hands out whoever knocks.
struct Server {
    authority: Authority,
    acceptor: TlsAcceptor,
    listener: TcpListener,
}

impl Server {
    async fn new() -> Server {
        let authority = Authority::generate().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server().unwrap()));
        Server { authority, acceptor, listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn token(&self) -> Token {
        let authority = self.authority.digest();
        Token { server: self.address(), authority, host: HostId::from_u64(HOST), secret: "open sesame".to_owned().into() }
    }

    async fn knock(&self) -> Result<Knock, LinkError> {
        let (stream, peer) = self.listener.accept().await.unwrap();
        accept(&self.acceptor, stream, peer, "server").await
    }

    /// Takes whoever joins next as a host; gives its identity and the digest of its certificate.
    async fn host(&self) -> (Identity, String) {
        let token = self.token();
        let serve = async {
            let knock = self.knock().await.unwrap();
            assert!(!format!("{:?}", knock.hello).contains(token.secret.expose_secret()), "a token's secret is shown");
            let Purpose::Join { host, secret, key } = knock.hello.purpose.clone() else { panic!("it joins") };
            assert_eq!((host, secret.expose(), knock.certificate.as_deref()), (token.host, token.secret.expose_secret(), None));
            let (certificate, digest) = self.authority.certify(host, &key).unwrap();
            knock.joined(certificate, settings()).await.unwrap();
            digest
        };
        let (identity, digest) = tokio::join!(join(&token, "host"), serve);
        (identity.unwrap(), digest)
    }
}

fn settings() -> Settings {
    Settings { region: "r".to_owned(), public_pool: "198.18.0.0/24".parse().unwrap(), name: "h".to_owned() }
}

#[tokio::test]
async fn a_host_joins_and_is_known_by_its_certificate_from_then_on() {
    let server = Server::new().await;
    let (identity, digest) = server.host().await;
    // As it is kept in a file.
    let identity = Identity::from_bytes(&identity.to_bytes()).unwrap();
    let serve = async {
        let knock = server.knock().await.unwrap();
        assert_eq!((&knock.hello.purpose, knock.certificate.as_ref()), (&Purpose::Agent, Some(&digest)));
        let mut line: Line<ToServer, ToHost> = knock.ready(settings()).await.unwrap();
        let heard = line.incoming.next().await.unwrap();
        assert_eq!(heard, (ToServer::Answer { number: 3, answer: Answer::None }, vec![]));
    };
    let dial = async {
        let mut line: Line<ToHost, ToServer> = connect(&identity, "host", Purpose::Agent).await.unwrap();
        line.outgoing.send(&ToServer::Answer { number: 3, answer: Answer::None }, b"").await.unwrap();
        line
    };
    tokio::join!(serve, dial);
}

#[tokio::test]
async fn an_authority_reads_back_from_its_file_and_still_certifies() {
    let server = Server::new().await;
    let again = Authority::from_bytes(&server.authority.to_bytes()).unwrap();
    assert_eq!(again.digest(), server.authority.digest());
    let acceptor = TlsAcceptor::from(Arc::new(again.server().unwrap()));
    let (_, digest) = Server { authority: again, acceptor, ..server }.host().await;
    assert_eq!(digest.len(), 64);
}

#[tokio::test]
async fn a_token_pins_its_server() {
    let (right, wrong) = (Server::new().await, Server::new().await);
    // Somebody else's server in the place of the right one.
    let token = Token { server: wrong.address(), ..right.token() };
    let (joined, knocked) = tokio::join!(join(&token, "host"), wrong.knock());
    assert!(matches!(joined, Err(LinkError::Io(_))), "{:?}", joined.err());
    assert!(knocked.is_err(), "the secret was not even sent");
}

#[tokio::test]
async fn a_certificate_of_another_cloud_does_not_get_in() {
    let (ours, theirs) = (Server::new().await, Server::new().await);
    let (identity, _) = theirs.host().await;
    let mut text: serde_json::Value = serde_json::from_slice(&identity.to_bytes()).unwrap();
    text["server"] = serde_json::json!(ours.address());
    text["authority"] = serde_json::json!(ours.authority.digest());
    let identity = Identity::from_bytes(text.to_string().as_bytes()).unwrap();
    let (connected, knocked) = tokio::join!(connect::<ToHost, ToServer>(&identity, "host", Purpose::Agent), ours.knock());
    assert!(connected.is_err() && knocked.is_err());
}

#[tokio::test]
async fn a_refusal_arrives_in_words() {
    let server = Server::new().await;
    let token = server.token();
    for refusal in [Refusal::Token, Refusal::Expired, Refusal::Unknown] {
        let serve = async { server.knock().await.unwrap().refuse(refusal.clone()).await.unwrap() };
        let (joined, ()) = tokio::join!(join(&token, "host"), serve);
        assert!(matches!(joined, Err(LinkError::Refused(why)) if why == refusal));
    }
    let words = Refusal::Version { server: "0.2.0".to_owned(), host: "0.1.0".to_owned() }.to_string();
    assert!(words.contains("0.2.0") && words.contains("0.1.0"), "{words}");
}

#[tokio::test]
async fn nobody_gets_through_without_saying_hello_in_the_right_language() {
    use tokio::io::AsyncWriteExt;
    let server = Server::new().await;
    let noise = async {
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        stream
    };
    let (knocked, _stream) = tokio::join!(server.knock(), noise);
    assert!(knocked.is_err());
    assert!(server.authority.certify(HostId::from_u64(HOST), "00").is_err(), "no point of P-256");
}

#[tokio::test]
async fn an_object_comes_in_parts_and_one_that_is_not_given_is_an_error() {
    let server = Server::new().await;
    let (identity, _) = server.host().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let serve = async {
        let mut line: Line<ToServer, ToHost> = server.knock().await.unwrap().ready(settings()).await.unwrap();
        while let Ok((ToServer::Read { number, object, offset }, _)) = line.incoming.next().await {
            let given = object == ObjectName::Chunk("a".to_owned());
            let end = bytes.len().min(offset as usize + (1 << 20));
            let body = if given { &bytes[offset as usize..end] } else { &[][..] };
            let part = ToHost::Part { number, total: given.then_some(bytes.len() as u64) };
            line.outgoing.send(&part, body).await.unwrap();
        }
    };
    let read = async {
        let objects = Objects::new(identity, "host");
        assert!(objects.read(&ObjectName::Chunk("a".to_owned()), 4 << 20).await.unwrap() == bytes);
        let not_given = objects.read(&ObjectName::Blob("b".to_owned()), 4 << 20).await;
        assert!(matches!(not_given, Err(LinkError::NotGiven(_))));
        let too_long = objects.read(&ObjectName::Chunk("a".to_owned()), 1 << 20).await;
        assert!(matches!(too_long, Err(LinkError::Nonsense(_))));
    };
    tokio::select! {
        () = serve => panic!("the server ends only when the line does"),
        () = read => {}
    }
}
