// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! winterfell's prover for our circuits, and the check of the challenges it drew.

use crate::{ProveError, trace::SecretTrace};
use std::marker::PhantomData;
use ves_stark_air::{
    Coin, Ext, Felt, Hash, Kind, Shape, Statement, Tree,
    blocks::BlocksAir,
    layout::{EXTENSION, blocks, single},
    single::SingleAir,
};
use ves_stark_verifier::{
    VerifyError,
    structure::Parts,
    transcript::{out_of_domain_digest, seed},
};
use winter_air::{
    Air, AuxRandElements, ConstraintCompositionCoefficients, PartitionOptions, ProofOptions,
    TraceInfo,
};
use winter_crypto::RandomCoin;
use winter_math::FieldElement;
use winter_prover::{
    CompositionPoly, CompositionPolyTrace, DefaultConstraintCommitment, DefaultConstraintEvaluator,
    DefaultTraceLde, Prover, StarkDomain, TracePolyTable, matrix::ColMatrix,
};

struct StarkProver<A> {
    statement: Statement,
    options: ProofOptions,
    air: PhantomData<A>,
}

impl<A> Prover for StarkProver<A>
where
    A: Air<BaseField = Felt, PublicInputs = Statement> + Send + Sync + 'static,
{
    type BaseField = Felt;
    type Air = A;
    type Trace = SecretTrace;
    type HashFn = Hash;
    type VC = Tree;
    type RandomCoin = Coin;
    type TraceLde<E: FieldElement<BaseField = Felt>> = DefaultTraceLde<E, Hash, Tree>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> =
        DefaultConstraintCommitment<E, Hash, Tree>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> =
        DefaultConstraintEvaluator<'a, A, E>;

    fn get_pub_inputs(&self, _: &SecretTrace) -> Statement {
        self.statement.clone()
    }

    fn options(&self) -> &ProofOptions {
        &self.options
    }

    fn new_trace_lde<E: FieldElement<BaseField = Felt>>(
        &self,
        info: &TraceInfo,
        trace: &ColMatrix<Felt>,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::TraceLde<E>, TracePolyTable<E>) {
        DefaultTraceLde::new(info, trace, domain, partitions)
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = Felt>>(
        &self,
        air: &'a A,
        aux: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self::ConstraintEvaluator<'a, E> {
        DefaultConstraintEvaluator::new(air, aux, coefficients)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = Felt>>(
        &self,
        trace: CompositionPolyTrace<E>,
        columns: usize,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        DefaultConstraintCommitment::new(trace, columns, domain, partitions)
    }
}

/// Runs the prover over a trace, honest or not.
pub(crate) fn prove_trace(
    statement: &Statement,
    trace: SecretTrace,
) -> Result<Vec<u8>, ProveError> {
    let options = Shape::of(statement).options();
    let statement = statement.clone();
    let proof = match statement.kind() {
        Kind::Single => StarkProver {
            statement,
            options,
            air: PhantomData::<SingleAir>,
        }
        .prove(trace),
        Kind::Batch | Kind::Budget => StarkProver {
            statement,
            options,
            air: PhantomData::<BlocksAir>,
        }
        .prove(trace),
    };
    Ok(proof.map_err(|_| ProveError::Prover)?.to_bytes())
}

/// Challenges of one proof, as far as hiding depends on them.
pub(crate) struct Challenges {
    /// Coefficients of each group of mask constraints: boundaries, then the quotient.
    pub(crate) constraint_masks: Vec<[Ext; EXTENSION]>,
    /// The out-of-domain point.
    pub(crate) z: Ext,
    /// DEEP coefficients of the `r` columns.
    pub(crate) deep_masks: [Ext; EXTENSION],
}

impl Challenges {
    /// Replays the transcript of a proof.
    pub(crate) fn of(proof: &[u8], statement: &Statement) -> Result<Self, VerifyError> {
        match statement.kind() {
            Kind::Single => Self::with_air::<SingleAir>(
                proof,
                statement,
                single::U.len() / EXTENSION,
                single::R.start,
            ),
            Kind::Batch => Self::with_air::<BlocksAir>(proof, statement, 1, blocks::r(false).start),
            Kind::Budget => Self::with_air::<BlocksAir>(proof, statement, 1, blocks::r(true).start),
        }
    }

    fn with_air<A: Air<BaseField = Felt, PublicInputs = Statement>>(
        proof: &[u8],
        statement: &Statement,
        boundary_groups: usize,
        first_deep_mask: usize,
    ) -> Result<Self, VerifyError> {
        let broken = VerifyError::Structure;
        let shape = Shape::of(statement);
        let parts = Parts::split(proof, &shape)?;
        let air = A::new(shape.trace_info(), statement.clone(), shape.options());
        let mut coin = seed(&shape, statement);
        let digests = parts.digests()?;
        let [trace, constraints, ..] = digests.as_slice() else {
            return Err(broken);
        };
        coin.reseed(*trace);
        let coefficients = air
            .get_constraint_composition_coefficients::<Ext, Coin>(&mut coin)
            .map_err(|_| broken)?
            .transition;
        coin.reseed(*constraints);
        let z = coin.draw().map_err(|_| broken)?;
        coin.reseed(out_of_domain_digest(&parts)?);
        let deep = air
            .get_deep_composition_coefficients::<Ext, Coin>(&mut coin)
            .map_err(|_| broken)?
            .trace;
        // Mask constraints are the last ones: boundaries, then the quotient's.
        let masks = (boundary_groups + 1) * EXTENSION;
        let start = coefficients.len().checked_sub(masks).ok_or(broken)?;
        let constraint_masks = coefficients[start..]
            .chunks_exact(EXTENSION)
            .map(|group| group.try_into().map_err(|_| broken))
            .collect::<Result<_, _>>()?;
        let deep_masks = deep
            .get(first_deep_mask..)
            .and_then(|group| group.try_into().ok())
            .ok_or(broken)?;
        Ok(Self {
            constraint_masks,
            z,
            deep_masks,
        })
    }
}

/// Whether the verifier's challenges leave every mask its full effect: each group of coefficients
/// is a basis of the extension, and z lies outside the base field (`docs/zk.md`).
pub(crate) fn masks_are_independent(
    proof: &[u8],
    statement: &Statement,
) -> Result<bool, VerifyError> {
    let challenges = Challenges::of(proof, statement)?;
    let [_, z1, z2] = coordinates(challenges.z);
    Ok((z1 != Felt::ZERO || z2 != Felt::ZERO)
        && challenges
            .constraint_masks
            .iter()
            .chain([&challenges.deep_masks])
            .all(is_basis))
}

fn coordinates(element: Ext) -> [Felt; EXTENSION] {
    std::array::from_fn(|index| element.base_element(index))
}

/// Whether three elements span the extension: their determinant is not zero.
fn is_basis(group: &[Ext; EXTENSION]) -> bool {
    let [a, b, c] = group.map(coordinates);
    let minor = |i: usize, j: usize| b[i] * c[j] - b[j] * c[i];
    a[0] * minor(1, 2) - a[1] * minor(0, 2) + a[2] * minor(0, 1) != Felt::ZERO
}
