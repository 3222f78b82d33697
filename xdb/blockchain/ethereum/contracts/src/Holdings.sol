// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Store} from "./Store.sol";

/// @title Holdings: receipts, as in `xdb/core/rules/holdings.py`, and segments
/// @notice A holding is appended to its node's address space of leaves when it enters a record.
/// What is appended in the `freeze` blocks before an epoch, or later, is not drawn in it: the seed
/// may be known by then.
abstract contract Holdings is Store {
    /// @dev What a receipt must speak of: a slot of a file as the record will be.
    struct Spoken {
        bytes32 file;
        uint256 slot;
        bytes32 root;
        uint256 version;
        uint256 expiry;
    }

    uint256 internal constant DROPPED = 1 << 31;
    uint256 private constant MOST_LEAVES = type(uint48).max;

    /// @dev Enters a holding with a node that is online. Its receipt must cover `spoken`.
    function _accept(Spoken memory spoken, Holder calldata holder)
        internal
        returns (uint256 segment)
    {
        address id = holder.node;
        uint256 node = _knownNode(id);
        require(_state(node) == ONLINE, NodeState(id, _state(node)));
        _checkShape(holder);
        _checkReceipt(node, spoken, holder);
        return _append(spoken.file, spoken.slot, holder);
    }

    /// @dev Refuses counts that no replicas can have.
    function _checkShape(Holder calldata holder) private view {
        uint256 size = holder.size;
        uint256 leaves = holder.leaves;
        uint256 inReplica = holder.replicaLeaves;
        // Sizes are below 2^63, and leaf sizes 2^20 at most.
        bool isEnough;
        unchecked { isEnough = (size + LEAF_SIZE - 1) / LEAF_SIZE <= leaves; }
        bool fits = 1 <= inReplica && inReplica <= leaves && leaves <= size && isEnough;
        require(fits, Invalid("leaves"));
    }

    /// @dev Refuses a receipt that is stale, for something else, or not by the present signer.
    function _checkReceipt(uint256 node, Spoken memory spoken, Holder calldata holder)
        internal
        view
    {
        uint256 validUntil = holder.validUntil;
        require(
            block.timestamp <= validUntil && validUntil <= block.timestamp + RECEIPT_VALIDITY,
            Receipt(spoken.file, spoken.slot, "validUntil")
        );
        require(
            holder.latestExpiry >= spoken.expiry,
            Expiry(spoken.file, spoken.expiry, holder.latestExpiry)
        );
        bytes32 vs = holder.vs;
        address signer = ecrecover(
            _receiptDigest(spoken, holder),
            uint8(uint256(vs) >> 255) + 27,
            holder.r,
            vs & bytes32(uint256(type(int256).max))
        );
        // 0 is what ecrecover gives when no key fits: nobody's signature, whatever is registered.
        require(
            signer != address(0) && signer == _signer(holder.node, node)
                && uint256(vs) & uint256(type(int256).max) <= HALF_ORDER,
            Receipt(spoken.file, spoken.slot, "signature")
        );
    }

    uint256 private constant HALF_ORDER =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @dev What the holder signed: `xdb/core/receipts.py`. Written by hand, as publishing does it
    /// once for each slot: every word is stored at its place, and what hangs over is overwritten.
    function _receiptDigest(Spoken memory spoken, Holder calldata holder)
        private
        view
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, shl(112, 0x0000000e7864622f76312f72656365697074))
            mstore(add(at, 18), chainid())
            mstore(add(at, 50), shl(96, address()))
            mstore(add(at, 70), mload(spoken)) // file
            mstore(add(at, 102), shl(192, mload(add(spoken, 32)))) // slot
            mstore(add(at, 110), mload(add(spoken, 64))) // file root
            mstore(add(at, 142), calldataload(add(holder, 32))) // holding root
            mstore(add(at, 174), shl(192, calldataload(add(holder, 64)))) // leaves
            mstore(add(at, 182), shl(192, calldataload(add(holder, 96)))) // replica leaves
            mstore(add(at, 190), shl(192, calldataload(add(holder, 128)))) // size
            mstore(add(at, 198), shl(192, calldataload(add(holder, 160)))) // latest expiry
            mstore(add(at, 206), shl(192, mload(add(spoken, 96)))) // version
            mstore(add(at, 214), shl(192, calldataload(add(holder, 192)))) // valid until
            if iszero(staticcall(gas(), 2, at, 222, 0, 32)) { revert(0, 0) }
            digest := mload(0)
        }
    }

    // ------------------------------------------------------------------ segments

    function _append(bytes32 file, uint256 slot, Holder calldata holder)
        private
        returns (uint256 segment)
    {
        address id = holder.node;
        uint256 head = _heads[id];
        uint256 start = uint48(head);
        uint256 index = uint32(head >> 168);
        uint256 total;
        // 2^48 + 2^63 is no overflow.
        unchecked { total = start + holder.leaves; }
        require(total <= MOST_LEAVES, TooLarge(total, MOST_LEAVES));
        _heads[id] = _grown(head, total, index + 1);
        bytes32 digest =
            _digest(file, slot, start, holder.leaves, holder.replicaLeaves, holder.root);
        _segments[id][index] = uint256(digest) & ~uint256(type(uint32).max);
        return (index << 48) | start;
    }

    function _grown(uint256 head, uint256 total, uint256 segments) private view returns (uint256) {
        uint256 leaves = uint48(head);
        uint256 before = uint48(head >> 48);
        uint256 earlier = uint48(head >> 96);
        uint256 changed = uint24(head >> 144);
        uint256 changing = _changing();
        if (changed != changing) {
            earlier = changed + 1 == changing ? before : leaves;
            before = leaves;
        }
        uint256 held = uint32(head >> 200);
        unchecked { ++held; }
        return total | (before << 48) | (earlier << 96) | (changing << 144) | (segments << 168)
            | (held << 200) | ((head >> 232) << 232);
    }

    /// @dev The leaves of a node that the draws of the present epoch are among.
    function _drawn(uint256 head) internal view returns (uint256) {
        uint256 epoch = _epoch();
        uint256 changed = uint24(head >> 144);
        if (changed < epoch) return uint48(head);
        return changed == epoch ? uint48(head >> 48) : uint48(head >> 96);
    }

    function _digest(
        bytes32 file,
        uint256 slot,
        uint256 start,
        uint256 leaves,
        uint256 replicaLeaves,
        bytes32 root
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(file, slot, start, leaves, replicaLeaves, root));
    }

    /// @dev The record lets go of a holding: a hole from the next epoch on, unless it had ended.
    function _drop(Place memory place) internal {
        uint256 index = place.segment >> 48;
        uint256 word = _segments[place.node][index];
        if (uint32(word) == 0) word = _ended(place.node, word);
        _segments[place.node][index] = word | DROPPED;
    }

    /// @dev The segment's word after it ended now; its node holds one less.
    function _ended(address id, uint256 word) internal returns (uint256) {
        _heads[id] -= 1 << 200;
        return word | (_epoch() + 1);
    }
}
