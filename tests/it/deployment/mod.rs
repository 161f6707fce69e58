//! The deployment of `compose.yaml` without containers: see [`topology`].

mod follower;
mod topology;

use std::collections::HashSet;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Reply, TestDatabase, eventually, image_url, on_postgres};
use follower::{Follower, Way, authorization};
use topology::{PUBLIC_HOST, Topology};

const WRITERS: usize = 4;
const IMAGES_OF_A_WRITER: usize = 40;
const IMAGES: usize = WRITERS * IMAGES_OF_A_WRITER;

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("an HTTP client")
}

/// Runs an operation through nginx as a program.
async fn post(
    client: &reqwest::Client,
    topology: &Topology,
    query: &str,
    variables: Value,
) -> Reply {
    let request = client
        .post(topology.url("/graphql"))
        .header("authorization", authorization())
        .json(&json!({ "query": query, "variables": variables }));
    Reply::read(request.send().await.expect("nginx answers")).await
}

/// Creates images one by one, with retries until acknowledged. Returns their ids and the number of retries.
async fn write(topology: &Topology, acknowledged: &AtomicUsize) -> (Vec<String>, usize) {
    let (client, mut ids, mut failures) = (client(), Vec::new(), 0);
    let mutation = "mutation($url: String!) { createImage(input: { userId: \"alice\", imageUrl: $url }) { image { id } } }";
    for _ in 0..IMAGES_OF_A_WRITER {
        let id = Uuid::new_v4().to_string();
        let variables = json!({ "url": image_url(&id) });
        loop {
            let reply = post(&client, topology, mutation, variables.clone()).await;
            if reply.status == StatusCode::OK {
                assert_eq!(reply.into_data()["createImage"]["image"]["id"], id);
                break;
            }
            assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{}", reply.body);
            failures += 1;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
        ids.push(id);
    }
    (ids, failures)
}

/// The image of each event, oldest first.
async fn trail(topology: &Topology) -> Vec<String> {
    let query = "query($after: String) {
        galleryEvents(first: 100, after: $after) { nodes { imageId } pageInfo { hasNextPage endCursor } }
    }";
    let (client, mut images, mut after) = (client(), Vec::new(), Value::Null);
    loop {
        let reply = post(&client, topology, query, json!({ "after": after })).await;
        let page = &reply.into_data()["galleryEvents"];
        let nodes = page["nodes"].as_array().expect("nodes").iter();
        images.extend(nodes.map(|node| node["imageId"].as_str().expect("an id").to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            return images;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// The result of the container's health check.
fn is_healthy(port: u16, path: &str) -> bool {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/healthcheck");
    let mut check = Command::new(program);
    check.arg(path).env("PORT", port.to_string());
    check.stderr(Stdio::null());
    check.status().expect("there is bash").success()
}

/// How one of the servers ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Terminated,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_at_most_a_retry() {
    one_of_two_ends(End::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_loses_no_requests() {
    one_of_two_ends(End::Terminated).await;
}

/// While images are created and events are followed.
async fn one_of_two_ends(end: End) {
    on_postgres(&[], async |database: TestDatabase| {
        let Some(mut topology) = Topology::start(&database).await else {
            return;
        };
        let ports: Vec<u16> = (topology.servers.iter())
            .map(|(_, server)| server.address().port())
            .collect();
        for port in &ports {
            assert!(is_healthy(*port, "/healthz") && is_healthy(*port, "/readyz"));
            assert!(!is_healthy(*port, "/nothing"));
        }
        let reply = post(&client(), &topology, "{ trailCursor }", json!({})).await;
        let cursor = reply.into_data()["trailCursor"].take();
        let cursor = cursor.as_str().expect("a cursor");
        // One by one, so that each server gets one of each transport.
        let mut followers = Vec::new();
        for way in [
            Way::WebSocket,
            Way::WebSocket,
            Way::ServerSentEvents,
            Way::ServerSentEvents,
        ] {
            followers.push(Follower::start(&topology, way, cursor).await);
        }
        let (_, victim) = topology.servers.remove(0);
        let acknowledged = AtomicUsize::new(0);
        let writing = join_all((0..WRITERS).map(|_| write(&topology, &acknowledged)));
        let following = join_all(
            followers
                .into_iter()
                .map(|follower| follower.see(&topology, IMAGES)),
        );
        let killing = async {
            eventually("a part of it is written", async || {
                (acknowledged.load(Ordering::Relaxed) >= IMAGES / 4).then_some(())
            })
            .await;
            assert!(
                acknowledged.load(Ordering::Relaxed) < IMAGES,
                "in the middle"
            );
            match end {
                End::Killed => victim.kill(),
                End::Terminated => {
                    victim.terminate();
                    assert_eq!(victim.output().await.code, Some(0));
                }
            }
        };
        let (written, followers, ()) = tokio::join!(writing, following, killing);
        assert!(!is_healthy(ports[0], "/healthz") && is_healthy(ports[1], "/readyz"));
        // The request in flight to the killed server, and no other.
        let most = usize::from(end == End::Killed);
        for (_, failures) in &written {
            assert!(*failures <= most, "{failures}");
        }
        let written: HashSet<String> = written.into_iter().flat_map(|(ids, _)| ids).collect();
        let trail = trail(&topology).await;
        assert_eq!(trail.iter().cloned().collect::<HashSet<_>>(), written);
        for follower in &followers {
            assert_eq!(
                follower.seen, trail,
                "nothing is missed, nothing comes twice"
            );
        }
        for way in [Way::WebSocket, Way::ServerSentEvents] {
            let cuts = followers.iter().filter(|follower| follower.way == way);
            let cuts: usize = cuts.map(|follower| follower.cuts).sum();
            assert_eq!(cuts, 1, "{way:?}: one was at that server, and came back");
        }
        let query = "{ images(userId: \"alice\") { totalCount } }";
        let reply = post(&client(), &topology, query, json!({})).await;
        assert_eq!(reply.into_data()["images"]["totalCount"], IMAGES);
        // Both servers were used.
        let log = topology.access_log();
        for port in ports {
            assert!(
                log.contains(&format!("\"127.0.0.1:{port}\" \"200\"")),
                "{log}"
            );
        }
    })
    .await;
}

/// A client with another address of this machine.
fn client_from(address: [u8; 4]) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    let client = client.local_address(IpAddr::from(address)).build();
    client.expect("an HTTP client")
}

/// Sends a batch of the maximum size without a token, with a forged client address.
async fn batch(client: &reqwest::Client, topology: &Topology, forged: &str) -> StatusCode {
    let operations = vec![json!({ "query": "{ __typename }" }); 10];
    let request = client
        .post(topology.url("/graphql"))
        .header("x-forwarded-for", forged)
        .json(&operations);
    request.send().await.expect("nginx answers").status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_and_client_address_reach_the_servers() {
    on_postgres(&[], async |database: TestDatabase| {
        let Some(topology) = Topology::start(&database).await else {
            return;
        };
        // `Host`: accepted only with its own name, and for pages of that name.
        let pages = [
            (PUBLIC_HOST, "https://gallery.example.com", 200),
            (PUBLIC_HOST, "https://evil.example", 403),
            ("evil.example", "https://evil.example", 403),
        ];
        for (host, origin, expected) in pages {
            let request = client()
                .post(topology.url("/graphql"))
                .header("host", host)
                .header("origin", origin)
                .header("authorization", authorization())
                .json(&json!({ "query": "{ images { totalCount } }" }));
            let reply = Reply::read(request.send().await.expect("nginx answers")).await;
            assert_eq!(reply.status, expected, "{host} {origin}: {}", reply.body);
            if host == "evil.example" {
                assert!(
                    reply.body.to_string().contains("`evil.example`"),
                    "{}",
                    reply.body
                );
            }
        }
        // The client's address is detected, and cannot be forged.
        let (one, other) = (client_from([127, 0, 0, 2]), client_from([127, 0, 0, 3]));
        let mut allowed = 0;
        while batch(&one, &topology, &format!("203.0.113.{allowed}")).await
            != StatusCode::TOO_MANY_REQUESTS
        {
            allowed += 1;
            assert!(
                allowed < 250,
                "600 operations a minute at each of two servers"
            );
        }
        assert!(allowed >= 60, "{allowed}");
        assert_ne!(
            batch(&other, &topology, "127.0.0.2").await,
            StatusCode::TOO_MANY_REQUESTS
        );
        // The server rejects a body that is too large, in GraphQL's error format.
        let body = "x".repeat(8 * 1024 * 1024 + 1);
        let request = client().post(topology.url("/graphql")).body(body);
        let request = request.header("content-type", "application/json");
        let reply = Reply::read(request.send().await.expect("nginx answers")).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(
            reply.body["errors"][0]["message"].is_string(),
            "{}",
            reply.body
        );
        // Metrics of a single process are not exposed here.
        let metrics = client().get(topology.url("/metrics")).send().await;
        assert_eq!(
            metrics.expect("nginx answers").status(),
            StatusCode::NOT_FOUND
        );
    })
    .await;
}

/// The files refer to each other by name.
#[test]
fn compose_yaml_matches_the_configuration_files() {
    let compose = include_str!("../../../compose.yaml");
    for part in [
        "\n  server-1:\n",
        "\n  server-2:\n",
        "\n  postgres:\n",
        "@pgbouncer:6432/gallery?",
        "@postgres:5432/gallery?",
        "ipv4_address: 172.30.99.10\n",
        "target: /etc/pgbouncer/userlist.txt\n",
        "./deploy/pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro\n",
        "./deploy/nginx.conf:/etc/nginx/nginx.conf:ro\n",
        "env_file: deploy/server.env\n",
    ] {
        assert!(compose.contains(part), "{part}");
    }
}
