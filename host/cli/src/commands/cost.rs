//! `mtcae cost`.

use crate::failure::Failure;
use clap::builder::PossibleValuesParser;
use mtcae_network::{Cost, Network, NetworkConfig, PRESETS, Strategy, count};
use serde_json::json;
use std::io::{self, Write};

/// Count a network's parameters, multiply-adds and memory
#[derive(clap::Args)]
#[command(after_help = "\
Multiply-adds and memory are of one clip; memory is f32 activations, each freed after its last use.

Examples:
  mtcae cost --preset large
  mtcae cost --preset edge --strategy single-task --json")]
pub struct Args {
    /// The network's size
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS))]
    preset: String,
    /// How the three tasks share the network, instead of the preset's own way
    #[arg(long, value_name = "NAME")]
    strategy: Option<Strategy>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Counts and prints.
    pub fn run(self) -> Result<(), Failure> {
        let refused = |error: mtcae_network::ConfigError| Failure::Network(error.to_string());
        let mut config = NetworkConfig::preset(&self.preset).map_err(refused)?;
        config.strategy = self.strategy.unwrap_or(config.strategy);
        let network = Network::new(config).map_err(refused)?;
        let cost = count(&network);
        let config = network.config();
        let text = if self.json {
            let mut object = json!({
                "preset": self.preset, "strategy": config.strategy.to_string(), "frames": config.frames,
                "size": config.size, "tokens": cost.tokens,
            });
            object["parameters"] = json!({
                "encoder": cost.encoder_parameters, "decoders": cost.decoder_parameters, "all": cost.parameters(),
            });
            object["multiply_adds"] =
                json!({ "encoder": cost.encoder_macs, "decoders": cost.decoder_macs, "all": cost.macs() });
            object["peak_activation_bytes"] = json!(cost.peak_activation_bytes);
            format!("{object}\n")
        } else {
            table(&self.preset, config, &cost)
        };
        Ok(io::stdout().write_all(text.as_bytes())?)
    }
}

fn table(preset: &str, config: &NetworkConfig, cost: &Cost) -> String {
    let mut text = format!(
        "{preset}, {}: {} frames of {}x{}, {} tokens\n\n",
        config.strategy, config.frames, config.size, config.size, cost.tokens
    );
    text += &format!("{:22}{:>18}{:>22}\n", "", "parameters", "multiply-adds");
    let mut row = |name: &str, parameters: usize, macs: u64| {
        text += &format!("{name:22}{:>18}{:>22}\n", grouped(parameters as u64), grouped(macs));
    };
    row("encoder", cost.encoder_parameters, cost.encoder_macs);
    row("decoders and heads", cost.decoder_parameters, cost.decoder_macs);
    row("all", cost.parameters(), cost.macs());
    let mib = cost.peak_activation_bytes as f64 / f64::from(1 << 20);
    text + &format!("\npeak of activations    {mib:.1} MiB\n")
}

/// `303858688` as `303,858,688`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([7, 999, 1000, 303_858_688].map(grouped), ["7", "999", "1,000", "303,858,688"]);
    }
}
