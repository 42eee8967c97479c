//! The configuration file changes while the server runs.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use parlor_fake_model::{Behaviour, FakeModel};
use parlor_server::{
    ConfigSource, Server,
    config::{Config, Overrides},
};
use serde_json::json;
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    app::{Follower, User, input},
    connect::{Browser, Card, fake::Crm},
};

/// A server with a configuration file, which the test writes anew.
struct Served {
    model: FakeModel,
    folder: tempfile::TempDir,
    url: String,
    stop: Arc<Notify>,
    running: JoinHandle<()>,
}

impl Served {
    async fn with(rest: &str) -> Self {
        let (model, folder) = (FakeModel::start().await, tempfile::tempdir().unwrap());
        let file = folder.path().join("parlor.toml");
        fs::write(&file, text(&model, &folder, rest)).unwrap();
        let overrides = Overrides { config: Some(file), ..Overrides::default() };
        let source = ConfigSource { overrides, environment: BTreeMap::new(), complete: |_| {} };
        let config = Config::load(&source.overrides, &source.environment).unwrap();
        let server = Server::from_config(&config).await.unwrap().reloading_from(source, &config);
        let url = format!("http://{}", server.local_addr().unwrap());
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let running = tokio::spawn(async move {
            server.run(async move { stopped.notified().await }).await.unwrap();
        });
        Self { model, folder, url, stop, running }
    }

    fn write(&self, rest: &str) {
        let file = self.folder.path().join("parlor.toml");
        fs::write(file, text(&self.model, &self.folder, rest)).unwrap();
    }

    fn user(&self, id: &str) -> User {
        User::at(&self.url, id)
    }

    /// Asks until the model is told this; what it was told.
    async fn until_told(&self, words: &str) -> String {
        loop {
            self.user("impatient").ask("Hello?").await;
            let told = self.last_told();
            if told.contains(words) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn last_told(&self) -> String {
        self.model.requests().last().unwrap().body.to_string()
    }

    async fn end(self) {
        self.stop.notify_one();
        self.running.await.unwrap();
    }
}

fn text(model: &FakeModel, folder: &tempfile::TempDir, rest: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\ndatabase_url = \"sqlite://{}/parlor.db\"\n\
         auth = {{ mode = \"trusted-header\" }}\n\
         model = {{ base_url = \"{}\", name = \"fake\" }}\ntitles = {{ enabled = false }}\n{rest}",
        folder.path().display(),
        model.base_url()
    )
}

const OLD: &str = "[assistant]\nsystem_prompt = \"I am the old one.\"\n\
    [[tools]]\nkind = \"http\"\nname = \"look\"\ndescription = \"\"\nurl = \"http://127.0.0.1:1/\"\n";

#[tokio::test]
async fn turns_end_with_what_they_began_with_and_new_ones_begin_with_the_new() {
    let served = Served::with(OLD).await;
    served.model.push(Behaviour::new().text("Well…").hold("slow").tool_call("look", json!({})));
    let params = json!({"input": input("Take your time.")});
    let response = served.user("patient").call("threads.create", params).await;
    let mut slow = Follower::new(response);
    slow.until("Well…").await;

    served.write(
        "[[agents]]\nname = \"new\"\ninstructions = \"I am the new one.\"\nhand_offs = [\"other\"]\n\
         [[agents]]\nname = \"other\"\n",
    );
    let told = served.until_told("I am the new one.").await;
    assert!(told.contains("transfer_to_other") && !told.contains("\"look\""), "{told}");

    served.model.push(Behaviour::new().text("Here it is."));
    served.model.release("slow");
    assert_eq!(slow.finish().await.end.as_deref(), Some("done"));
    let told = served.last_told();
    assert!(told.contains("I am the old one.") && told.contains("\"look\""), "{told}");
    served.end().await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_until_it_is_mended() {
    let served = Served::with(OLD).await;
    let good = "[assistant]\nsystem_prompt = \"I am mended.\"\n";
    served.write(&format!("{good}[[agents]]\nname = \"a\"\nhand_offs = [\"nobody\"]\n"));
    // It is looked at every second; a turn in between sees what was there before.
    for _ in 0..15 {
        served.user("u1").ask("Hello?").await;
        assert!(served.last_told().contains("I am the old one."));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    served.write(good);
    served.until_told("I am mended.").await;
    served.end().await;
}

#[tokio::test]
async fn who_is_about_to_sign_in_to_a_server_of_tools_may_go_on() {
    let crm = Crm::start().await;
    let tool = format!(
        "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\nurl = \"{}/mcp\"\nconnect_seconds = 60\nsign_in = {{}}\n",
        crm.url
    );
    let served = Served::with(&tool).await;
    served.model.push(Behaviour::new().tool_call("crm_connect", json!({})));
    let card = Card::of(&served.user("ada").ask("Who am I there?").await);
    served.write(&format!("[assistant]\nsystem_prompt = \"I am the new one.\"\n{tool}"));
    served.until_told("I am the new one.").await;
    let mut browser = Browser::of("ada");
    let asked = browser.leaves(&card.link).await;
    served.write("[assistant]\nsystem_prompt = \"I have no tools.\"\n");
    served.until_told("I have no tools.").await;
    let back = browser.get(crm.sign_in(&asked, "ada").as_str()).await;
    assert_eq!(back.status(), 400, "the server is not there any more");
    served.end().await;
}

/// An MCP server that says which process it is.
const MCP: &str = r#"
echo $$ >> "$1"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}}' ;;
    *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"tools":[{"name":"look","inputSchema":{"type":"object"}}]}}' ;;
    *'"id":'*) echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32601,"message":"no"}}' ;;
  esac
done
"#;

#[tokio::test]
async fn a_server_of_tools_is_kept_while_it_stays_the_same_and_ended_when_it_goes() {
    let served = Served::with(OLD).await;
    let (script, started) =
        (served.folder.path().join("mcp.sh"), served.folder.path().join("started"));
    fs::write(&script, MCP).unwrap();
    let entry = format!(
        "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\ncommand = [\"sh\", {script:?}, {started:?}]\nconnect_seconds = 60\n"
    );
    let processes = || -> Vec<PathBuf> {
        let started = fs::read_to_string(&started).unwrap_or_default();
        started.lines().map(|id| PathBuf::from(format!("/proc/{id}"))).collect()
    };
    served.write(&format!("[assistant]\nsystem_prompt = \"One.\"\n{entry}"));
    served.until_told("crm_look").await;
    served.write(&format!("[assistant]\nsystem_prompt = \"Two.\"\n{entry}"));
    assert!(served.until_told("Two.").await.contains("crm_look"));
    let known = processes();
    assert_eq!(known.len(), 1, "the same server goes on");
    assert!(known[0].exists());

    served.write("[assistant]\nsystem_prompt = \"Three.\"\n");
    served.until_told("Three.").await;
    let is_running = |process: &PathBuf| {
        let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    while known.iter().any(is_running) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.end().await;
}
