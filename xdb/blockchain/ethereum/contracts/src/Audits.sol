// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Headers} from "./Headers.sol";
import {IAudits} from "./IRegistry.sol";
import {Merkle} from "./Merkle.sol";
import {Records} from "./Records.sol";

/// @title Seeds, proofs, surrender: as in `xdb/core/rules/seeds.py`, `proofs.py` and `segments.py`
/// @notice A wrong proof is refused without effect and may be repeated while its epoch lasts. Nobody
/// records misses: whoever reads the chain derives them.
abstract contract Audits is Records, IAudits {
    /// @dev What all draws of one proof share; `next` is where in calldata reading goes on.
    struct Round {
        address node;
        uint256 epoch;
        uint256 time;
        bytes32 seed;
        uint256 leaves;
        uint256 next;
        uint256 losses;
    }

    struct Segment {
        uint256 index;
        bytes32 file;
        uint256 slot;
        uint256 start;
        uint256 leaves;
        uint256 replicaLeaves;
    }

    uint256 private constant ATTEMPTS = 16;
    uint256 private constant LEAF = 1;
    uint256 private constant LOSS = 2;

    // ------------------------------------------------------------------ seeds

    function revealSeed(uint64 epoch, bytes calldata header) external {
        uint256 present = _epoch();
        uint256 first = GENESIS + present * EPOCH;
        bool isLate = 2 * (block.number - first) > EPOCH;
        require(epoch == present && !isLate, Epoch(epoch, present));
        require(_seed == 0 || _seedEpoch < epoch, Seed(epoch, "known"));
        bytes32 expected = Headers.hashOf(first);
        require(expected != 0 && keccak256(header) == expected, Seed(epoch, "header"));
        (uint256 time, bytes32 seed) = Headers.read(header);
        _seed = seed;
        _seedEpoch = epoch;
        _seedTime = uint64(time);
        emit SeedRevealed(epoch, seed, uint64(time));
    }

    // ------------------------------------------------------------------ proofs

    function prove(address node, uint64 epoch, bytes calldata answers) external {
        uint256 word = _presentNode(node);
        require(msg.sender == _signer(node, word), NotAllowed(msg.sender));
        Round memory round = _open(node, epoch);
        uint256 draws = LEAVES_PER_EPOCH;
        Segment[] memory lost = new Segment[](draws);
        uint256 end;
        assembly {
            mstore(add(round, 160), answers.offset)
            end := add(answers.offset, answers.length)
        }
        for (uint256 number = 0; number < draws; ++number) {
            _answer(round, number, lost);
            require(round.next <= end, Proof(number, "too short"));
        }
        require(round.next == end, Proof(draws, "too long"));
        HoldingRef[] memory refs = _lose(round, lost);
        _heads[node] = (_heads[node] << 24 >> 24) | ((uint256(epoch) + 1) << 232);
        emit ProofAccepted(node, epoch, refs);
    }

    function _open(address node, uint256 epoch) private view returns (Round memory) {
        require(_seed != 0 && epoch <= _seedEpoch, Seed(epoch, "none"));
        uint256 present = _epoch();
        require(epoch == _seedEpoch && epoch == present, Epoch(epoch, present));
        uint256 head = _heads[node];
        require(head >> 232 != epoch + 1, Proved(node, epoch));
        uint256 leaves = _drawn(head);
        require(leaves != 0, Epoch(epoch, present));
        bytes32 seed = sha256(abi.encodePacked(_seed, node));
        return Round(node, epoch, _seedTime, seed, leaves, 0, 0);
    }

    function _answer(Round memory round, uint256 number, Segment[] memory lost) private view {
        uint256 holes = _read(round, 1);
        require(holes <= ATTEMPTS, Proof(number, "holes"));
        for (uint256 attempt = 0; attempt < holes; ++attempt) {
            (Segment memory hole,) = _drawnSegment(round, number, attempt);
            bytes32 root = bytes32(_read(round, 32));
            require(_isHole(round, number, hole, root), Proof(number, "no hole"));
        }
        if (holes == ATTEMPTS) return;
        uint256 kind = _read(round, 1);
        (Segment memory segment, uint256 offset) = _drawnSegment(round, number, holes);
        bool isHole;
        if (kind == LEAF) {
            isHole = _isHole(round, number, segment, _root(round, number, segment, offset));
        } else {
            require(kind == LOSS, Proof(number, "kind"));
            isHole = _isHole(round, number, segment, bytes32(_read(round, 32)));
            _note(round, lost, segment);
        }
        require(!isHole, Proof(number, "hole"));
    }

    /// @dev The next bytes of the answers, big endian.
    function _read(Round memory round, uint256 width) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            let place := add(round, 160)
            let at := mload(place)
            value := shr(sub(256, mul(8, width)), calldataload(at))
            mstore(place, add(at, width))
        }
    }

    /// @dev The segment named next, which must contain the drawn leaf, and that leaf's place in it.
    function _drawnSegment(Round memory round, uint256 number, uint256 attempt)
        private
        view
        returns (Segment memory segment, uint256 offset)
    {
        segment = Segment(
            _read(round, 4),
            bytes32(_read(round, 32)),
            _read(round, 1),
            _read(round, 6),
            _read(round, 6),
            _read(round, 6)
        );
        uint256 leaf = _draw(round, number, attempt);
        bool isIn = segment.start <= leaf && leaf < segment.start + segment.leaves;
        require(isIn && segment.replicaLeaves != 0, Proof(number, "segment"));
        offset = leaf - segment.start;
    }

    /// @dev Which leaf a draw asks for: `xdb/core/sampling.py`.
    function _draw(Round memory round, uint256 draw, uint256 attempt)
        private
        view
        returns (uint256 leaf)
    {
        bytes32 seed = round.seed;
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, seed)
            mstore(add(at, 32), or(shl(224, draw), shl(192, attempt)))
            let size := 36
            if attempt { size := 40 }
            if iszero(staticcall(gas(), 2, at, size, 0, 32)) { revert(0, 0) }
            leaf := mload(0)
        }
        return leaf % round.leaves;
    }

    /// @dev The holding root that the leaf shown next leads to.
    function _root(Round memory round, uint256 number, Segment memory segment, uint256 offset)
        private
        view
        returns (bytes32 node)
    {
        uint256 inReplica = segment.replicaLeaves;
        // slither-disable-next-line divide-before-multiply
        uint256 replica = offset / inReplica;
        uint256 replicas = (segment.leaves + inReplica - 1) / inReplica;
        uint256 leaf = offset % inReplica;
        if (replica == replicas - 1) inReplica = segment.leaves - replica * inReplica;
        uint256 length = _read(round, 8);
        require(_leaves(length) == inReplica, Proof(number, "length"));
        uint256 size = leaf + 1 < inReplica ? LEAF_SIZE : length - leaf * LEAF_SIZE;
        node = Merkle.leafHash(_skip(round, size), size);
        uint256 levels = Merkle.depth(inReplica);
        node = Merkle.climb(node, leaf, _skip(round, 32 * levels), levels);
        levels = Merkle.depth(replicas);
        node = Merkle.climb(
            Merkle.replicaLeaf(length, node), replica, _skip(round, 32 * levels), levels
        );
    }

    function _leaves(uint256 length) private view returns (uint256) {
        return length == 0 ? 1 : (length + LEAF_SIZE - 1) / LEAF_SIZE;
    }

    function _skip(Round memory round, uint256 size) private pure returns (uint256 from) {
        from = round.next;
        round.next = from + size;
    }

    /// @dev Whether draws of the epoch pass the segment over; refused unless it is as named.
    function _isHole(Round memory round, uint256 number, Segment memory s, bytes32 root)
        private
        view
        returns (bool)
    {
        uint256 word = _segments[round.node][s.index];
        bytes32 digest = _digest(s.file, s.slot, s.start, s.leaves, s.replicaLeaves, root);
        require(
            word != 0 && uint256(digest) >> 32 == word >> 32, Proof(number, "root")
        );
        uint256 ended = uint256(word) & (DROPPED - 1);
        if (ended != 0 && ended <= round.epoch) return true;
        uint256 file = _files[s.file].word;
        return file == 0 || _goneFrom(file) <= round.time;
    }

    /// @dev Notes an admitted loss once, in order of the segments.
    function _note(Round memory round, Segment[] memory lost, Segment memory segment)
        private
        pure
    {
        uint256 rank = round.losses;
        while (rank > 0 && lost[rank - 1].index >= segment.index) {
            if (lost[rank - 1].index == segment.index) return;
            --rank;
        }
        for (uint256 i = round.losses; i > rank; --i) {
            lost[i] = lost[i - 1];
        }
        lost[rank] = segment;
        ++round.losses;
    }

    /// @dev What was admitted to be lost is no longer held. Named is what the record names.
    function _lose(Round memory round, Segment[] memory lost)
        private
        returns (HoldingRef[] memory refs)
    {
        refs = new HoldingRef[](round.losses);
        uint256 count = 0;
        for (uint256 i = 0; i < round.losses; ++i) {
            uint256 word = _segments[round.node][lost[i].index];
            if (word & DROPPED != 0) continue;
            if (uint32(word) == 0) {
                _segments[round.node][lost[i].index] = _ended(round.node, word);
            }
            refs[count++] = HoldingRef(lost[i].file, uint64(lost[i].slot));
        }
        assembly ("memory-safe") { mstore(refs, count) }
    }

    // ------------------------------------------------------------------ surrender

    function surrender(address node, Held calldata held) external {
        uint256 word = _knownNode(node);
        bool speaks = msg.sender == node || msg.sender == _signer(node, word);
        require(speaks, NotAllowed(msg.sender));
        uint256 segment = _segments[node][held.index];
        bytes32 digest = _digest(
            held.file, held.slot, held.start, held.leaves, held.replicaLeaves, held.root
        );
        bool isHeld = uint256(digest) >> 32 == segment >> 32 && uint32(segment) == 0;
        require(isHeld, Slot(held.file, held.slot));
        _segments[node][held.index] = _ended(node, segment);
        emit HoldingSurrendered(node, held.file, held.slot);
    }
}
