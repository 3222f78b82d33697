// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Files} from "./Files.sol";
import {Merkle} from "./Merkle.sol";

/// @title Another holder for a slot, one more, or one less: as in `xdb/core/rules/slots.py`
abstract contract Slots is Files {
    uint256 private constant LONGEST_PATH = 64;

    function move(bytes32 file, Record calldata record, uint64 slot, Holder calldata holder)
        external
    {
        _checkNumber(slot, "slot");
        _checkHolder(holder);
        uint256 word = _owned(file);
        _checkRecord(file, record);
        require(1 <= slot && slot <= record.places.length, Slot(file, slot));
        Record memory moved = record;
        Place memory place = moved.places[slot - 1];
        address source = place.node;
        if (holder.node != source) _checkApart(file, holder.node, moved.places);
        _checkSame(file, slot, holder, place);
        _drop(place);
        moved.version = record.version + 1;
        Spoken memory spoken = Spoken(file, slot, record.root, moved.version, _expiry(word));
        uint256 segment = _accept(spoken, holder);
        moved.places[slot - 1] = _place(holder, segment);
        _putRecord(file, moved);
        emit FileMoved(file, slot, source, holder, moved.version, segment);
    }

    function extend(
        bytes32 file,
        Record calldata record,
        Holder calldata holder,
        bytes32[] calldata siblings
    ) external {
        _checkHolder(holder);
        uint256 word = _live(file);
        _checkRecord(file, record);
        uint64 total = record.redundancy.total;
        _checkCopies(record);
        require(total < MAX_SLOTS, Policy(record.redundancy.required, total));
        Record memory extended = record;
        _checkApart(file, holder.node, extended.places);
        _checkLikeOthers(record.places[0], holder);
        extended.root = _extendedRoot(file, record, holder.root, siblings);
        extended.version = record.version + 1;
        extended.redundancy.total = total + 1;
        Spoken memory spoken =
            Spoken(file, total + 1, extended.root, extended.version, _expiry(word));
        uint256 segment = _accept(spoken, holder);
        extended.places = new Place[](total + 1);
        for (uint256 i = 0; i < total; ++i) {
            extended.places[i] = record.places[i];
        }
        extended.places[total] = _place(holder, segment);
        _putRecord(file, extended);
        emit FileExtended(file, total + 1, holder, extended.root, extended.version, segment);
    }

    function shrink(bytes32 file, Record calldata record, bytes32[] calldata siblings)
        external
    {
        _owned(file);
        _checkRecord(file, record);
        uint64 total = record.redundancy.total;
        _checkCopies(record);
        require(total > 1, Policy(record.redundancy.required, total));
        Place memory last = record.places[total - 1];
        Record memory shrunk = record;
        shrunk.root = _shrunkRoot(file, record, last.root, siblings);
        _drop(last);
        shrunk.version = record.version + 1;
        shrunk.redundancy.total = total - 1;
        shrunk.places = new Place[](total - 1);
        for (uint256 i = 0; i < total - 1; ++i) {
            shrunk.places[i] = record.places[i];
        }
        _putRecord(file, shrunk);
        emit FileShrunk(file, total, last.node, shrunk.root, shrunk.version);
    }

    function _place(Holder calldata holder, uint256 segment) internal pure returns (Place memory) {
        return Place(
            holder.node,
            holder.root,
            holder.leaves,
            holder.replicaLeaves,
            holder.size,
            holder.latestExpiry,
            segment
        );
    }

    function _checkApart(bytes32 file, address node, Place[] memory places) private pure {
        for (uint256 i = 0; i < places.length; ++i) {
            require(places[i].node != node, Holders(file, i + 1));
        }
    }

    function _checkCopies(Record calldata record) private pure {
        Redundancy calldata redundancy = record.redundancy;
        require(redundancy.coding == COPIES, Policy(redundancy.required, redundancy.total));
    }

    /// @dev Every copy holds every slice: as many replicas, as long, as the first.
    function _checkLikeOthers(Place calldata first, Holder calldata holder) private pure {
        bool isLike = holder.leaves == first.leaves && holder.replicaLeaves == first.replicaLeaves
            && holder.size == first.size;
        require(isLike, Invalid("holder"));
    }

    function _extendedRoot(
        bytes32 file,
        Record calldata record,
        bytes32 leaf,
        bytes32[] calldata siblings
    ) private view returns (bytes32) {
        require(siblings.length <= LONGEST_PATH, TooLarge(siblings.length, LONGEST_PATH));
        uint256 count = record.redundancy.total + 1; // the manifest and one for each slot
        (bool fits, bytes32 before, bytes32 afterwards) =
            Merkle.withoutAndWith(count, leaf, siblings);
        require(fits && before == record.root, Root(file, count));
        return afterwards;
    }

    function _shrunkRoot(
        bytes32 file,
        Record calldata record,
        bytes32 leaf,
        bytes32[] calldata siblings
    ) private view returns (bytes32) {
        require(siblings.length <= LONGEST_PATH, TooLarge(siblings.length, LONGEST_PATH));
        uint256 count = record.redundancy.total; // the manifest and all slots but the last
        (bool fits, bytes32 before, bytes32 afterwards) =
            Merkle.withoutAndWith(count, leaf, siblings);
        require(fits && afterwards == record.root, Root(file, count));
        return before;
    }
}
