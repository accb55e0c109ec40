//! Agents registered, replaced and removed from here: placeholders, and registrations that are dead.
//!
//! All that changes anything in Azure is in this room. It goes through the same door as every question, and is asked for
//! by a person, or for a trigger that wants it. Needs the scope Agent Pools (read & manage).

use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use url::Url;

use super::{AgentReader, Client, Endpoint, PoolReference, WHOLE_AGENTS};
use crate::{
    agent::Agent,
    azure_devops::wire,
    capability::CapabilitySet,
    placeholder::{ANY_VERSION, Mark},
    pools::{Failure, FailureClass},
};

impl Client {
    /// One agent as it is now, if it is registered.
    ///
    /// # Errors
    ///
    /// When Azure does not say.
    pub async fn agent(&self, pool: &PoolReference, id: i64) -> Result<Option<Agent>, Failure> {
        let mut url = self.url(&["pools", &pool.id.to_string(), "agents", &id.to_string()]);
        url.set_query(Some(WHOLE_AGENTS));
        let what = format!("agent {id} of pool `{}` ({})", pool.name, pool.id);
        let read = |body: &[u8]| AgentReader::default().read_one(body);
        match self.ask(Endpoint::Agents, &what, url, read).await {
            Ok(agent) => Ok(Some(agent)),
            Err(failure) if failure.class == FailureClass::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Whether an agent is that placeholder at this moment, and has no job.
    ///
    /// # Errors
    ///
    /// When Azure does not say.
    pub async fn is_placeholder(&self, pool: &PoolReference, id: i64, mark: &Mark) -> Result<bool, Failure> {
        let agent = self.agent(pool, id).await?;
        Ok(agent.is_some_and(|agent| Mark::of(&agent).as_ref() == Some(mark) && agent.assigned.is_none()))
    }

    /// Registers an agent that is offline.
    ///
    /// # Errors
    ///
    /// When Azure does not do it: not allowed, or there is an agent of that name.
    pub async fn register_agent(
        &self,
        pool: &PoolReference,
        name: &str,
        capabilities: &CapabilitySet,
    ) -> Result<(), Failure> {
        let url = self.registration(pool, None);
        let what = format!("the registration of agent `{name}` in pool `{}` ({})", pool.name, pool.id);
        self.change(&what, self.http.post(url).body(new_agent(None, name, capabilities))).await
    }

    /// Lets an agent that is offline register with other capabilities.
    ///
    /// # Errors
    ///
    /// When Azure does not do it.
    pub async fn replace_agent(
        &self,
        pool: &PoolReference,
        (id, name): (i64, &str),
        capabilities: &CapabilitySet,
    ) -> Result<(), Failure> {
        let url = self.registration(pool, Some(id));
        let what = format!("the capabilities of agent `{name}` in pool `{}` ({})", pool.name, pool.id);
        self.change(&what, self.http.put(url).body(new_agent(Some(id), name, capabilities))).await
    }

    /// Lets Azure give an agent no further job.
    ///
    /// # Errors
    ///
    /// When Azure does not do it.
    pub async fn disable_agent(&self, pool: &PoolReference, (id, name): (i64, &str)) -> Result<(), Failure> {
        let url = self.registration(pool, Some(id));
        let what = format!("the disabling of agent `{name}` in pool `{}` ({})", pool.name, pool.id);
        self.change(&what, self.http.patch(url).body(disabled(id, name))).await
    }

    /// Removes an agent's registration. One that is gone already is removed.
    ///
    /// # Errors
    ///
    /// When Azure does not do it: not allowed, or the agent has a job.
    pub async fn remove_agent(&self, pool: &PoolReference, (id, name): (i64, &str)) -> Result<(), Failure> {
        let url = self.registration(pool, Some(id));
        let what = format!("the removal of agent `{name}` from pool `{}` ({})", pool.name, pool.id);
        match self.change(&what, self.http.delete(url)).await {
            Err(failure) if failure.class != FailureClass::NotFound => Err(failure),
            _ => Ok(()),
        }
    }

    /// The address at which agents are registered, or one that is registered.
    fn registration(&self, pool: &PoolReference, id: Option<i64>) -> Url {
        let (pool, id) = (pool.id.to_string(), id.map(|id| id.to_string()));
        let path: Vec<&str> = ["pools", &pool, "agents"].into_iter().chain(id.as_deref()).collect();
        let mut url = self.url(&path);
        url.set_query(Some("api-version=7.0"));
        url
    }

    async fn change(&self, what: &str, message: RequestBuilder) -> Result<(), Failure> {
        let mut request = self.request(what);
        request.manages = true;
        let message = message.header(CONTENT_TYPE, "application/json");
        self.send(Endpoint::Registrations, request, message, |_| Ok(())).await
    }
}

fn disabled(id: i64, name: &str) -> String {
    let agent = wire::AgentUpdate { id, name: name.into(), enabled: false };
    serde_json::to_string(&agent).expect("texts and numbers are JSON")
}

fn new_agent(id: Option<i64>, name: &str, capabilities: &CapabilitySet) -> String {
    let entries = capabilities.sorted().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let agent = wire::NewAgent {
        id,
        name: name.into(),
        version: ANY_VERSION.into(),
        os_description: "placeholder of azp-scaler".into(),
        enabled: true,
        status: "offline".into(),
        provisioning_state: "Provisioned".into(),
        system_capabilities: wire::Capabilities::new(&entries),
    };
    serde_json::to_string(&agent).expect("texts and numbers are JSON")
}
